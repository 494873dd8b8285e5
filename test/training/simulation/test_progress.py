"""What a simulation remembers over a stop: which seeds failed, and what was tried there."""

import json

from training.simulation.campaign import TaskProgress, _load_progress, _note
from training.simulation.scene_writer import SceneSummary


def test_failed_scenes_and_their_tries_are_remembered(tmp_path):
    folder = tmp_path / "table_scenes_D435_pkl"
    progress = TaskProgress()
    for seed in (3, 12, 4):
        _note(folder, progress, seed, SceneSummary(seed, (), (("push", False), ("lift", True))))
    again = _load_progress(folder)
    assert again.failed == progress.failed and not again.records
    assert again.success()["push"] == {"tried": 3, "succeeded": 0, "episodes": 0}


def test_failed_seeds_of_a_task_are_remembered(tmp_path):
    folder = tmp_path / "block_handover_D435_pkl"
    progress = TaskProgress()
    _note(folder, progress, 8, None)
    assert json.loads((folder / "seeds.json").read_text()) == {"failed": [8]}
    assert _load_progress(folder).failed == {8: None} and not _load_progress(folder).success()
