"""Episodes of finished scenes get the same numbers, however often the simulation was stopped."""

import json
from pathlib import Path

import pytest

from training.simulation.scene_numbering import finished_scenes, number_episodes


def write_scene(folder: Path, seed: int, parents: list[int | None]) -> None:
    """A finished scene: an episode per entry, which turns off from that place in the scene, or from none."""
    summary = {"seed": seed, "episodes": [["lift", 80]] * len(parents), "tries": [["lift", True]] * len(parents)}
    for place, parent in enumerate(parents):
        scene = {"number": seed, "verb": "lift", "branch_of": parent, "branch_frame": None if parent is None else 9}
        record = {"seed": seed, "frames": 80, "scene": scene, "place": place, "summary": summary}
        target = folder / f"seed{seed}" / str(place)
        target.mkdir(parents=True)
        (target / "record.json").write_text(json.dumps(record))
        (target / "0.pkl").write_text(f"{seed}/{place}")


def contents(folder: Path) -> dict[str, str]:
    return {path.name: (path / "0.pkl").read_text() for path in sorted(folder.glob("episode*"))}


@pytest.fixture
def folder(tmp_path) -> Path:
    for seed, parents in ((4, [None, None, 1]), (2, [None, None, None])):
        write_scene(tmp_path, seed, parents)
    return tmp_path


def test_episodes_are_numbered_by_seed_and_place(folder):
    info = number_episodes(folder)
    assert list(contents(folder).values()) == ["2/0", "2/1", "2/2", "4/0", "4/1", "4/2"]
    assert info["5"]["scene"]["branch_of"] == 4, "the parent's place has become its number"
    assert info["0"]["scene"]["branch_of"] is None and "summary" not in info["0"]
    assert not list(folder.glob("seed*"))


def test_a_stop_while_numbering_changes_nothing(folder):
    (folder / "seed2" / "1").rename(folder / "episode1")  # as if killed after one of the renamings
    (folder / "seed2" / "0").rename(folder / "episode0")
    number_episodes(folder)
    assert contents(folder)["episode1"] == "2/1" and len(contents(folder)) == 6


def test_more_scenes_come_after_those_that_are_there(folder):
    before = number_episodes(folder)
    write_scene(folder, 7, [None, None, None, 0])
    after = number_episodes(folder)
    assert {number: after[number] for number in before} == before
    assert contents(folder)["episode9"] == "7/3" and after["9"]["scene"]["branch_of"] == 6


def test_unfinished_scenes_do_not_count(folder):
    write_scene(folder, 9, [None])
    (folder / "seed9").rename(folder / "seed9.partial")
    assert set(finished_scenes(folder)) == {2, 4}
    number_episodes(folder)
    assert len(contents(folder)) == 6 and (folder / "seed9.partial").exists()
