"""Which seeds are tried, in real worker processes; and how what came of them is numbered."""

import json
from functools import partial

import pytest

from training.simulation.episode_folders import (
    EpisodeRecord,
    check_options,
    finished_episodes,
    number_in_order_of_seeds,
)
from training.simulation.seeds import SeedProgress, try_seeds


def run(progress, episodes, workers, fails):
    """Try seeds from 10 on; those that `fails` says fail."""
    tried = []
    for task, seed, result in try_seeds(progress, episodes, 10, workers, lambda task, seed: partial(int, seed)):
        assert result == seed
        tried.append(seed)
        (progress[task].failed if fails(seed) else progress[task].records)[seed] = None
    return tried


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_seeds_that_succeed_whatever_the_workers_and_what_is_there(workers):
    progress = {"one": SeedProgress({11: None}, {10: None}), "other": SeedProgress()}
    run(progress, 3, workers, fails=lambda seed: seed % 2 == 0)
    assert [sorted(done.records) for done in progress.values()] == [[11, 13, 15], [11, 13, 15]]
    assert [sorted(done.failed) for done in progress.values()] == [[10, 12, 14], [10, 12, 14]]
    assert run(progress, 3, workers, fails=bool) == []


def test_a_task_that_never_succeeds_is_given_up():
    progress = {"hopeless": SeedProgress({}, dict.fromkeys(range(10, 60)))}
    with pytest.raises(RuntimeError, match="hopeless: 50 seeds in a row failed before seed 60"):
        run(progress, 1, 1, fails=bool)


def finish(folder, seed):
    (folder / f"seed{seed}").mkdir(parents=True)
    record = EpisodeRecord(seed=seed, frames=1, randomized=False, instructions={}, info={})
    (folder / f"seed{seed}" / "record.json").write_text(json.dumps(record.__dict__))


def test_numbers_follow_the_seeds_also_those_that_come_later(tmp_path):
    for seeds, expected in (((0, 3, 7), [0, 3, 7]), ((2, 5), [0, 2, 3, 5, 7])):
        for seed in seeds:
            finish(tmp_path, seed)
        number_in_order_of_seeds(tmp_path)
        by_name = {path.name: record.seed for path, record in finished_episodes(tmp_path)}
        assert by_name == {f"episode{number}": seed for number, seed in enumerate(expected)}
        info = json.loads((tmp_path / "scene_info.json").read_text())
        assert [info[str(number)]["seed"] for number in range(len(info))] == expected


def test_a_folder_keeps_its_options(tmp_path):
    check_options(tmp_path / "task", {"camera": "corner"})
    check_options(tmp_path / "task", {"camera": "corner"})
    with pytest.raises(ValueError, match="was made with .*corner.*; choose another --out or the same options"):
        check_options(tmp_path / "task", {"camera": "topview"})
