"""The dataset builder: what is in a dataset, and what it says of unusable episodes."""

import json
import os
import shutil

import numpy as np
import pytest
from dataset_files import HORIZON, build, rgb
from robotwin_files import dumps, frame_content, identify, picture, write_episode, write_task

from training.dataset.index import MANIFEST_NAME, DatasetError, DatasetManifest, load_manifest, load_split

HAMMER, STACK = "block_hammer_beat", "blocks_stack_easy"


@pytest.fixture(scope="module")
def episodes(tmp_path_factory):
    root = tmp_path_factory.mktemp("episodes")
    write_task(root, HAMMER, [25, 26, 27, 25])
    write_task(root, STACK, [30, 20, 22, 23, 24, 25], unseen=None)  # one is too short; RoboTwin's own instructions
    return root


@pytest.fixture(scope="module")
def dataset(episodes, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "dataset"
    assert build(episodes, out, "--test-fraction", "0.3") == 0
    return out


def test_every_pair_holds_the_frames_it_names(dataset):
    rows = load_split(dataset, "train") + load_split(dataset, "test")
    for row in rows:
        assert identify(rgb(row.input_image)) == (row.episode, row.frame)
        assert identify(rgb(row.edited_image)) == (row.episode, row.frame + HORIZON)
        assert row.input_image.name == f"episode{row.episode}_frame{row.frame}.jpg"
        assert row.input_image.parent.name == row.task
    keys = [(row.task, row.episode, row.frame) for row in rows]
    lengths = {HAMMER: [25, 26, 27, 25], STACK: [30, 20, 22, 23, 24, 25]}
    expected = [
        (t, e, f) for t, counts in lengths.items() for e, count in enumerate(counts) for f in range(count - HORIZON)
    ]
    assert sorted(keys) == expected


def test_pictures_keep_their_colours(dataset):
    row = load_split(dataset, "train")[0]
    difference = rgb(row.input_image).astype(int) - picture(row.episode, row.frame)
    assert np.abs(difference).mean() < 2


def test_frames_are_stored_once_each_and_only_if_used(dataset):
    rows = load_split(dataset, "train") + load_split(dataset, "test")
    used = {path for row in rows for path in (row.input_image, row.edited_image)}
    assert used == set(dataset.resolve().rglob("*.jpg"))


def test_episodes_are_split_not_pairs(dataset):
    sides = [{(row.task, row.episode) for row in load_split(dataset, split)} for split in ("train", "test")]
    assert not sides[0] & sides[1]
    for task in (HAMMER, STACK):
        assert all(any(key[0] == task for key in side) for side in sides)


def test_test_rows_have_unseen_phrasings_where_there_are_any(dataset):
    for row in load_split(dataset, "train"):
        assert row.phrasing == "seen"
        assert row.prompt in ("Do it.", "Do it now.")
    for row in load_split(dataset, "test"):
        unseen = row.task == HAMMER
        assert row.phrasing == ("unseen" if unseen else "seen")
        assert (row.prompt == "Please do it.") == unseen


def test_manifest_counts_by_hand(dataset):
    manifest = load_manifest(dataset)
    assert (manifest.horizon, manifest.step_duration, manifest.seed, manifest.stride) == (HORIZON, 0.06, 42, 1)
    assert manifest.image_size == (64, 48)
    assert manifest.tasks == [HAMMER, STACK]
    assert manifest.skipped == ({"task": STACK, "number": 1, "frames": 20},)
    totals = [manifest.splits[split] for split in ("train", "test")]
    assert sum(total["episodes"] for total in totals) == 9
    # Episodes of n frames have n - 20 pairs, and 2 (n - 20) different frames in them while n <= 40.
    pairs = sum([5, 6, 7, 5]) + sum([10, 2, 3, 4, 5])
    assert sum(total["pairs"] for total in totals) == pairs
    assert sum(total["frames"] for total in totals) == 2 * pairs
    for split in ("train", "test"):
        rows = load_split(dataset, split)
        for task, counts in manifest.splits[split]["tasks"].items():
            assert counts["pairs"] == sum(row.task == task for row in rows)
            assert counts["episodes"] == len({row.episode for row in rows if row.task == task})
    assert manifest.phrasings[HAMMER] == {"seen": ["Do it.", "Do it now."], "unseen": ["Please do it."]}
    assert DatasetManifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize("how", ["imagefolder", "folder"])
def test_hugging_face_datasets_opens_it(dataset, tmp_path, how):
    import datasets

    arguments = {"path": "imagefolder", "data_dir": str(dataset)} if how == "imagefolder" else {"path": str(dataset)}
    loaded = datasets.load_dataset(**arguments, cache_dir=str(tmp_path))
    assert set(loaded) == {"train", "test"}
    for split in loaded:
        rows = load_split(dataset, split)
        assert set(loaded[split].column_names) == {
            *("input_image", "edit_prompt", "edited_image"),
            *("task", "episode", "frame", "phrasing"),
        }
        assert loaded[split]["edit_prompt"][:] == [row.prompt for row in rows]
        np.testing.assert_array_equal(np.asarray(loaded[split][3]["edited_image"]).shape, (48, 64, 3))
        assert identify(np.asarray(loaded[split][3]["edited_image"])) == (rows[3].episode, rows[3].frame + HORIZON)


def test_diffusers_example_s_data_folder(dataset, tmp_path):
    """train_instruct_pix2pix.py --train_data_dir globs the folder; its split is then "train" whatever the folder."""
    import datasets

    files = {"train": os.path.join(dataset / "train", "**")}
    loaded = datasets.load_dataset("imagefolder", data_files=files, cache_dir=str(tmp_path))
    assert set(loaded) == {"train"}
    assert len(loaded["train"]) == len(load_split(dataset, "train"))
    assert loaded["train"][0]["input_image"].mode == "RGB"


def test_stride_and_split_options(episodes, tmp_path):
    assert build(episodes, tmp_path / "d", "--stride", "3", "--test-fraction", "0") == 0
    assert load_manifest(tmp_path / "d").splits.keys() == {"train"}
    rows = load_split(tmp_path / "d", "train")
    assert [row.frame for row in rows if (row.task, row.episode) == (HAMMER, 2)] == [0, 3, 6]
    with pytest.raises(DatasetError, match="no split 'test'"):
        load_split(tmp_path / "d", "test")


def test_clamped_tail(episodes, tmp_path):
    assert build(episodes, tmp_path / "d", "--tail", "clamp") == 0
    rows = [row for split in ("train", "test") for row in load_split(tmp_path / "d", split)]
    assert len(rows) == sum([25, 26, 27, 25, 30, 20, 22, 23, 24, 25])
    last = {(HAMMER, 0): 24, (HAMMER, 1): 25, (STACK, 1): 19}
    for row in rows:
        if (row.task, row.episode) in last:
            future = min(row.frame + HORIZON, last[row.task, row.episode])
            assert identify(rgb(row.edited_image)) == (row.episode, future)


def test_several_instructions_per_pair(tmp_path):
    write_task(tmp_path / "episodes", HAMMER, [25] * 3, seen=["One.", "Two.", "Three."])
    assert build(tmp_path / "episodes", tmp_path / "once") == 0
    assert build(tmp_path / "episodes", tmp_path / "d", "--instructions-per-pair", "2") == 0
    rows, once = load_split(tmp_path / "d", "train"), load_split(tmp_path / "once", "train")
    assert [(row.episode, row.frame) for row in rows[::2]] == [(row.episode, row.frame) for row in once]
    assert [row.prompt for row in rows[::2]] == [row.prompt for row in once]
    assert all(one.prompt != other.prompt for one, other in zip(rows[::2], rows[1::2], strict=True))
    counts = load_manifest(tmp_path / "d").splits
    assert (counts["train"]["pairs"], counts["train"]["rows"]) == (10, 20)
    assert (counts["test"]["pairs"], counts["test"]["rows"]) == (5, 5)  # there is one unseen phrasing


def test_split_by_pair_warns_and_stores_frames_on_either_side(episodes, tmp_path, capsys):
    assert build(episodes, tmp_path / "d", "--split-by", "pair", "--test-fraction", "0.4") == 0
    assert "near-duplicates in train" in " ".join(capsys.readouterr().out.split())
    manifest, count = load_manifest(tmp_path / "d"), 0
    for split in ("train", "test"):
        rows = load_split(tmp_path / "d", split)
        assert len(rows) == manifest.splits[split]["pairs"]
        frames = {path for row in rows for path in (row.input_image, row.edited_image)}
        assert len(frames) == manifest.splits[split]["frames"]
        assert all(path.is_file() for path in frames)
        count += len(rows)
    assert count == 47
    assert "both" in {episode.split for episode in manifest.episodes}


def test_a_preset_beyond_the_episodes_says_so_and_gives_way_to_options(episodes, tmp_path, capsys):
    assert build(episodes, tmp_path / "d", "--preset", "paper-small", "--seed", "3") == 0
    assert "22,695 pairs were asked for, the episodes give 47" in " ".join(capsys.readouterr().out.split())
    assert load_manifest(tmp_path / "d").split_by == "pair"
    assert build(episodes, tmp_path / "e", "--preset", "paper-small", "--max-pairs", "20") == 0
    assert sum(counts["pairs"] for counts in load_manifest(tmp_path / "e").splits.values()) == 20


@pytest.mark.parametrize("option", [("--horizon", "0"), ("--stride", "0"), ("--test-fraction", "1.5")])
def test_meaningless_options_are_refused(episodes, tmp_path, option, capsys):
    assert build(episodes, tmp_path / "d", *option) == 1
    assert "must" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_one_bad_frame_stops_the_build_with_one_line(tmp_path, capsys, workers):
    write_task(tmp_path / "episodes", HAMMER, [25] * 4)
    bad = tmp_path / "episodes" / f"{HAMMER}_D435_pkl" / "episode3" / "7.pkl"
    bad.write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")
    # Frame 7 is in no pair of a 25-frame episode with horizon 20; with horizon 10 it is.
    assert build(tmp_path / "episodes", tmp_path / "d", "--workers", workers, horizon=10) == 1
    captured = capsys.readouterr()
    assert captured.err.strip().splitlines()[-1].startswith(f"build_dataset: {bad}: asks for 'os.system', which")
    assert not (tmp_path / "d").exists()
    bad.write_bytes(dumps(frame_content(picture(3, 7))))
    assert build(tmp_path / "episodes", tmp_path / "d", "--workers", workers, horizon=10) == 0
    assert " resumed, 0 kept" in " ".join(capsys.readouterr().out.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "episodes"]


def test_mixed_sizes_between_episodes(tmp_path, capsys):
    write_task(tmp_path / "episodes", HAMMER, [25])
    write_episode(tmp_path / "episodes", HAMMER, 1, 25, size=(24, 32))
    assert build(tmp_path / "episodes", tmp_path / "d") == 1
    error = capsys.readouterr().err
    assert "mixed sizes" in error
    assert "64x48" in error
    assert "32x24" in error
    assert not (tmp_path / "d").exists()


def test_only_short_episodes(tmp_path, capsys):
    write_task(tmp_path / "episodes", HAMMER, [HORIZON, 3])
    assert build(tmp_path / "episodes", tmp_path / "d") == 1
    assert "no episode is longer than the horizon" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["episodes"]


def test_skipped_episodes_are_counted(episodes, tmp_path, capsys):
    build(episodes, tmp_path / "d")
    assert "1 episodes skipped, shorter than 21 frames" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "unreadable"), ("{}", "unreadable"), (json.dumps({"format_version": 99}), "version 99")],
)
def test_unreadable_manifests_are_named(tmp_path, text, message):
    with pytest.raises(DatasetError, match="not a dataset folder"):
        load_manifest(tmp_path)
    (tmp_path / MANIFEST_NAME).write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_manifest(tmp_path)


def test_a_dataset_of_version_1_is_refused(episodes, tmp_path, capsys):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "framepred_dataset.json").write_text('{"format_version": 1}')
    with pytest.raises(DatasetError, match="format version 1; build it again"):
        load_manifest(tmp_path / "d")
    assert build(episodes, tmp_path / "d") == 1
    assert "build it again" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["d", "framepred_dataset.json"]


def test_malformed_rows_are_named(dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "d")
    with (tmp_path / "d" / "test" / "metadata.jsonl").open("a") as file:
        file.write('{"task": "x"}\n')
    with pytest.raises(DatasetError, match=r"metadata\.jsonl: line \d+ is malformed"):
        load_split(tmp_path / "d", "test")
