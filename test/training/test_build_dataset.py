"""The dataset builder: what is in a dataset, and that nothing else ever lies under its name."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from robotwin_files import dumps, frame_content, identify, picture, write_episode, write_instructions, write_task

from training import build_dataset
from training.dataset_index import MANIFEST_NAME, DatasetError, DatasetManifest, load_manifest, load_split

HORIZON = 20
HAMMER, STACK = "block_hammer_beat", "blocks_stack_easy"
ROOT = Path(__file__).parents[2]


def build(episodes, out, *options, horizon=HORIZON):
    return build_dataset.main([str(episodes), "--out", str(out), "--horizon", str(horizon), *options])


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rgb(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


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


@pytest.mark.parametrize("option", [("--horizon", "0"), ("--stride", "0"), ("--test-fraction", "1.5")])
def test_meaningless_options_are_refused(episodes, tmp_path, option, capsys):
    assert build(episodes, tmp_path / "d", *option) == 1
    assert "must" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_same_bytes_from_one_process_and_two(episodes, dataset, tmp_path):
    assert build(episodes, tmp_path / "d", "--test-fraction", "0.3", "--workers", "2") == 0
    assert contents(tmp_path / "d") == contents(dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_second_run_finds_it_complete(episodes, dataset, capsys):
    before = {path: path.stat().st_mtime_ns for path in [dataset, *dataset.rglob("*")]}
    assert build(episodes, dataset, "--test-fraction", "0.3") == 0
    assert "is complete" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in [dataset, *dataset.rglob("*")]}


def test_new_episodes_are_added(tmp_path, capsys):
    write_task(tmp_path / "episodes", HAMMER, [25] * 3)
    assert build(tmp_path / "episodes", tmp_path / "d") == 0
    for number in range(3, 12):
        write_episode(tmp_path / "episodes", HAMMER, number, 25)
    assert build(tmp_path / "episodes", tmp_path / "d") == 0
    assert "9 episodes converted, 0 resumed, 3 kept" in " ".join(capsys.readouterr().out.split())
    assert build(tmp_path / "episodes", tmp_path / "anew") == 0
    assert contents(tmp_path / "d") == contents(tmp_path / "anew")


def test_changed_episodes_and_instructions_are_taken_up(tmp_path):
    write_task(tmp_path / "episodes", HAMMER, [25] * 4)
    assert build(tmp_path / "episodes", tmp_path / "d") == 0
    shutil.rmtree(tmp_path / "episodes" / f"{HAMMER}_D435_pkl" / "episode2")
    shutil.copytree(
        write_episode(tmp_path / "other", HAMMER, 9, 25), tmp_path / "episodes" / f"{HAMMER}_D435_pkl/episode2"
    )
    write_instructions(tmp_path / "episodes", HAMMER, ["Something else."])
    assert build(tmp_path / "episodes", tmp_path / "d") == 0
    assert build(tmp_path / "episodes", tmp_path / "anew") == 0
    assert contents(tmp_path / "d") == contents(tmp_path / "anew")


def test_a_dataset_with_other_options_is_left_alone(episodes, dataset, capsys):
    before = contents(dataset)
    assert build(episodes, dataset, "--test-fraction", "0.3", horizon=10) == 1
    assert "horizon is 20 there, 10 was asked" in capsys.readouterr().err
    assert contents(dataset) == before


def test_episodes_that_left_the_source_are_not_dropped_silently(tmp_path, capsys):
    write_task(tmp_path / "episodes", HAMMER, [25] * 3)
    assert build(tmp_path / "episodes", tmp_path / "d") == 0
    before = contents(tmp_path / "d")
    shutil.rmtree(tmp_path / "episodes" / f"{HAMMER}_D435_pkl" / "episode2")
    assert build(tmp_path / "episodes", tmp_path / "d") == 1
    assert f"{HAMMER} episode 2" in capsys.readouterr().err
    assert contents(tmp_path / "d") == before


def test_a_folder_that_is_no_dataset_is_left_alone(episodes, tmp_path, capsys):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "thesis.txt").write_text("precious")
    assert build(episodes, tmp_path / "d") == 1
    assert "not a dataset of ours" in capsys.readouterr().err
    assert contents(tmp_path) == {"d/thesis.txt": b"precious"}


def test_an_empty_folder_is_filled(episodes, tmp_path):
    (tmp_path / "d").mkdir()
    assert build(episodes, tmp_path / "d") == 0
    assert load_split(tmp_path / "d", "test")


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


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_in_the_middle_then_resumed_equals_uninterrupted(tmp_path, workers, capsys):
    write_task(tmp_path / "episodes", HAMMER, [45] * 6)
    assert build(tmp_path / "episodes", tmp_path / "uninterrupted") == 0
    # A pipe that nobody writes to stops the build inside its last episode, so that it is killed at a known place.
    blocked = tmp_path / "episodes" / f"{HAMMER}_D435_pkl" / "episode5" / "7.pkl"
    frame = blocked.read_bytes()
    blocked.unlink()
    os.mkfifo(blocked)
    options = ["--out", str(tmp_path / "d"), "--horizon", str(HORIZON), "--workers", str(workers)]
    command = [sys.executable, "-m", "training.build_dataset", str(tmp_path / "episodes"), *options]
    process = subprocess.Popen(command, cwd=ROOT)
    finished = tmp_path / ".d.building" / "frames" / HAMMER
    wait_until(lambda: len(list(finished.glob("episode[0-4]"))) == 5 and (finished / "episode5.partial").exists())
    helpers = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "d").exists()
    wait_until(lambda: not any(alive(pid) for pid in helpers), 20)
    blocked.unlink()
    blocked.write_bytes(frame)
    capsys.readouterr()
    assert build(tmp_path / "episodes", tmp_path / "d") == 0
    assert "1 episodes converted, 5 resumed" in " ".join(capsys.readouterr().out.split())
    assert contents(tmp_path / "d") == contents(tmp_path / "uninterrupted")
    assert not (tmp_path / ".d.building").exists()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_killed_while_replacing_the_dataset(episodes, dataset, tmp_path):
    """Between its two renames a replacement leaves the former dataset under another name; the next run restores it."""
    shutil.copytree(dataset, tmp_path / ".d.old")
    assert build(episodes, tmp_path / "d", "--test-fraction", "0.3") == 0
    assert contents(tmp_path / "d") == contents(dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_two_builds_of_one_dataset_do_not_mix(episodes, tmp_path, capsys):
    from filelock import FileLock

    (tmp_path / ".d.building").mkdir()
    with FileLock(tmp_path / ".d.building" / "lock"):
        assert build(episodes, tmp_path / "d") == 1
    assert "another build" in capsys.readouterr().err


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


def test_malformed_rows_are_named(dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "d")
    with (tmp_path / "d" / "test" / "metadata.jsonl").open("a") as file:
        file.write('{"task": "x"}\n')
    with pytest.raises(DatasetError, match=r"metadata\.jsonl: line \d+ is malformed"):
        load_split(tmp_path / "d", "test")
