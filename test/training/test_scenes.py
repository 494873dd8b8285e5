"""Scenes in which several instructions are possible: read with the episodes, split as a whole, kept in the manifest."""

import json

import pytest
from dataset_files import build
from scene_files import LIFT_BLUE, PUSH_LEFT, TASK, TWINS, write_scenes

from training.dataset.index import DatasetManifest, load_manifest, load_split
from training.dataset.options import DatasetOptions
from training.dataset.selection import EpisodeSize, Selection
from training.episodes import EpisodeError, open_source
from training.episodes.scene import Scene, parse_scene

HORIZON = 8


@pytest.fixture(scope="module")
def episodes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("episodes"), 5, held_out=(LIFT_BLUE,), branch_frame=3)


@pytest.fixture(scope="module")
def dataset(episodes, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "dataset"
    assert build(episodes, out, "--test-fraction", "0.4", horizon=HORIZON) == 0
    return out


def test_the_reader_passes_the_scene_on(episodes):
    found = {each.number: each.scene for each in open_source(episodes).episodes}
    assert found[0] == Scene(0, "push", {"block": "red", "side": "left"})
    assert found[2].held_out
    assert found[4] == Scene(0, "lift", {"block": "blue"}, True, branch_of=0, branch_frame=3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"number": -1}, "a number from 0"),
        ({"verb": ""}, "a verb"),
        ({"roles": {"block": 3}}, "roles"),
        ({"held_out": "no"}, "held_out"),
        ({"branch_of": 3}, "go together"),
    ],
)
def test_a_malformed_scene_is_one_clear_error(tmp_path, change, reason):
    write_scenes(tmp_path, 1)
    path = tmp_path / f"{TASK}_D435_pkl" / "scene_info.json"
    infos = json.loads(path.read_text())
    infos["1"]["scene"] |= change
    path.write_text(json.dumps(infos))
    (error,) = open_source(tmp_path).bad
    assert isinstance(error, EpisodeError)
    assert error.path == path
    assert "episode 1" in error.reason and reason in error.reason


def test_fields_of_later_versions_are_ignored():
    assert parse_scene({"number": 1, "verb": "still", "mood": "good"}) == Scene(1, "still")


def test_all_episodes_of_a_scene_are_in_one_split_and_the_manifest_has_the_scenes(dataset):
    manifest = load_manifest(dataset)
    splits = {}
    for record in manifest.episodes:
        splits.setdefault(record.scene.number, set()).add(record.split)
    assert sorted(splits) == list(range(5))
    assert sorted(map(tuple, splits.values())) == [("test",)] * 2 + [("train",)] * 3
    assert DatasetManifest.from_json(manifest.to_json()) == manifest


def test_what_is_kept_for_tests_is_never_trained_on(dataset):
    manifest = load_manifest(dataset)
    kept = {record.number: record for record in manifest.episodes if record.scene.held_out}
    assert {record.split for record in kept.values()} == {"test"}
    assert len(kept) == 4  # a twin and its branch in two test scenes; those of three training scenes are left out
    assert len(manifest.held_out) == 6
    assert not {row.episode for row in load_split(dataset, "train")} & {each["number"] for each in manifest.held_out}


@pytest.mark.parametrize("split_by", ["episode", "pair"])
def test_limits_count_only_what_is_not_left_out(split_by):
    sizes = [EpisodeSize("a", number, 30, scene=number // 3, held_out=number % 3 == 0) for number in range(12)]
    options = DatasetOptions(horizon=10, split_by=split_by, test_fraction=0.25, max_train_samples=50)
    selection = Selection(sizes, options)
    train = [size for size in sizes for _ in selection.pairs(size).get("train", [])]
    assert len(train) == 50
    assert not any(size.held_out for size in train)


def test_scenes_of_two_sources_stay_apart(tmp_path):
    sources = [write_scenes(tmp_path / name, 2, TWINS[:3], branch_frame=2) for name in ("one", "two")]
    assert build(sources, tmp_path / "d", horizon=HORIZON) == 0
    scenes = {record.number: record.scene for record in load_manifest(tmp_path / "d").episodes}
    assert {scene.number for scene in scenes.values()} == {0, 1, 1_000_000, 1_000_001}
    branches = [scene for scene in scenes.values() if scene.branch_of is not None]
    assert len(branches) == 4
    for scene in branches:
        parent = scenes[scene.branch_of]
        assert (parent.number, parent.verb) == (scene.number, PUSH_LEFT.verb)
