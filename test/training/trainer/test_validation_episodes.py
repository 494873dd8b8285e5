"""Which episodes are kept for validation."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from dataset_files import build
from moving_squares import TASKS, make_moving_squares
from safetensors.torch import load_file, save_file
from scene_files import TASK, write_scenes
from training_runs import arguments, newest_state

from training.dataset.index import EpisodeRecord, Row, load_manifest, load_split
from training.runs.session import load_data
from training.train import main
from training.trainer.recipe_file import read_recipe
from training.trainer.state import read_identity
from training.trainer.validation_episodes import choose_validation_episodes, hold_out, last_episodes


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"))


def make_manifest(dataset: Path, sources: list[tuple[int, bool]]):
    """A manifest whose sources have so many episodes of one task, and are for training only or not; and its rows."""
    records = [
        EpisodeRecord("task", 1000 * source + number, "train", 20, 1, "", ("go",), (), source=source)
        for source, (count, _) in enumerate(sources)
        for number in range(count)
    ]
    described = tuple({"format": "x"} | ({"split": "train"} if train_only else {}) for _, train_only in sources)
    rows = [Row(Path("a"), Path("b"), "go", "task", record.number, 0, "seen") for record in records]
    return replace(load_manifest(dataset), source=described, episodes=tuple(records)), rows


def test_whole_episodes_of_every_task_are_never_trained_on(dataset):
    rows, manifest = load_split(dataset, "train"), load_manifest(dataset)
    chosen = choose_validation_episodes(rows, manifest, 1)
    kept, held_out = hold_out(rows, chosen)
    assert {task for task, _ in chosen} == set(TASKS) and len(chosen) == 2
    assert {(row.task, row.episode) for row in held_out} == chosen
    assert not {(row.task, row.episode) for row in kept} & chosen and len(kept) + len(held_out) == len(rows)
    with pytest.raises(ValueError, match="slide_left has 4 training episodes.*none to train on"):
        choose_validation_episodes(rows, manifest, 4)


def test_the_choice_is_by_hash_and_hardly_changes_as_a_dataset_grows(dataset):
    small, large = (make_manifest(dataset, [(count, False)]) for count in (40, 44))
    before, after = (choose_validation_episodes(rows, manifest, 8) for manifest, rows in (small, large))
    assert before != last_episodes(small[1], 8) and min(number for _, number in before) < 20
    assert len(before & after) >= 6


def test_every_source_gives_its_share_and_train_only_ones_none(dataset):
    manifest, rows = make_manifest(dataset, [(20, False), (6, False), (100, True), (1, False)])
    chosen = choose_validation_episodes(rows, manifest, 3)
    assert [sum(number // 1000 == source for _, number in chosen) for source in range(4)] == [3, 3, 0, 0]


def test_sources_of_one_episode_each_give_theirs_together(dataset):
    manifest, rows = make_manifest(dataset, [(1, False)] * 9 + [(30, True)])
    chosen = choose_validation_episodes(rows, manifest, 2)
    assert len(chosen) == 2 and all(number < 9000 for _, number in chosen)


def test_a_share_of_the_episodes_is_taken_where_that_is_more(dataset):
    for count, expected in ((40, 4), (9, 1)):
        manifest, rows = make_manifest(dataset, [(count, False)])
        assert len(choose_validation_episodes(rows, manifest, 1, share=0.1)) == expected


def test_train_only_alone_leaves_nothing_to_validate_on(dataset):
    manifest, rows = make_manifest(dataset, [(10, True)])
    with pytest.raises(ValueError, match="for training only"):
        choose_validation_episodes(rows, manifest, 2)


def test_scenes_are_held_out_as_a_whole(tmp_path):
    source = write_scenes(tmp_path / "source", scenes=8, branch_frame=4)
    assert build(source, tmp_path / "dataset", "--instruction", "push", horizon=4) == 0
    manifest, rows = load_manifest(tmp_path / "dataset"), load_split(tmp_path / "dataset", "train")
    chosen = choose_validation_episodes(rows, manifest, 2)
    scenes = {record.number: record.scene.number for record in manifest.episodes if record.split == "train"}
    held_out = {scenes[number] for _, number in chosen}
    assert len(held_out) == 1 and len(chosen) > 2
    assert chosen == {(TASK, number) for number, scene in scenes.items() if scene in held_out}


def test_a_run_goes_on_with_its_validation_episodes(dataset, tmp_path, capsys):
    """Also one whose state was written before states named them: it held out the last ones."""
    short = ("optimization.max_steps=1", "--resume", "auto")
    assert main(arguments(dataset, tmp_path, *short)) == 0
    identity = read_identity(tmp_path)
    recipe = read_recipe(tmp_path / "recipe.yaml")
    data = load_data(recipe, dataset)
    assert identity["validation_episodes"] == sorted(map(list, data.validation_episodes))

    other = identity | {"validation_episodes": [[task, 1] for task in TASKS]}
    assert load_data(recipe, dataset, other).validation_episodes == {(task, 1) for task in TASKS}
    del identity["validation_episodes"]
    assert load_data(recipe, dataset, identity).validation_episodes == {(task, 3) for task in TASKS}
    _rewrite_identity(newest_state(tmp_path), identity)
    assert main(arguments(dataset, tmp_path, "optimization.max_steps=2", "--resume", "auto")) == 0
    assert read_identity(tmp_path)["validation_episodes"] == [[task, 3] for task in TASKS]


def _rewrite_identity(path: Path, identity: dict) -> None:
    save_file(load_file(path), path, {"step": "1", "identity": json.dumps(identity), "scaler": "null"})
