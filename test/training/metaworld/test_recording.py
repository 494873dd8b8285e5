"""Episodes of Meta-World, really played: whole, upright, the same after an interruption. Skipped without it."""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from training.episodes import SourceOptions, open_source
from training.metaworld.campaign import record_tasks

pytest.importorskip("metaworld", reason="metaworld is not installed; it wants an environment of its own (setup.py)")
TASK = "drawer-close"  # the shortest


def record(root: Path, episodes: int) -> None:
    record_tasks(root, [TASK], episodes, 0, 1, "corner2", lambda *each: None)


def content(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def episodes(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("metaworld")
    record(root, 1)
    return root


def test_the_reader_of_our_own_episodes_reads_them(episodes):
    (episode,) = open_source(episodes, SourceOptions()).episodes
    assert episode.task == TASK and episode.seen and episode.unseen
    assert episode.step_duration == pytest.approx(0.0125)
    assert len(episode) > 25 and episode.frames[0].shape == (240, 320, 3)
    info = json.loads((episodes / f"{TASK}_D435_pkl" / "scene_info.json").read_text())["0"]
    assert info["frames"] == len(episode) and info["camera"] == "corner2"


def test_pictures_are_the_right_way_up(episodes):
    """The floor behind the table is bright; what is nearest to the camera, below, is the dark void before it."""
    picture = pickle.loads((episodes / f"{TASK}_D435_pkl/episode0/0.pkl").read_bytes())["observation"]["head_camera"]
    gray = picture["rgb"].mean(axis=2)
    assert gray[:20].mean() < gray[-60:].mean()


def test_something_moves(episodes):
    (episode,) = open_source(episodes, SourceOptions()).episodes
    first, last = (episode.frames[index].astype(float) for index in (0, len(episode) - 26))
    assert (np.abs(first - last).max(axis=2) > 30).mean() > 0.005


def test_more_episodes_come_after_those_that_are_there(episodes, tmp_path):
    before = content(episodes / f"{TASK}_D435_pkl" / "episode0")
    record(tmp_path, 1)
    assert content(tmp_path / f"{TASK}_D435_pkl" / "episode0") == before


def test_other_options_are_refused(episodes):
    with pytest.raises(ValueError, match="was made with"):
        record_tasks(episodes, [TASK], 1, 7, 1, "corner2", lambda *each: None)
