"""training.inspect_dataset: its numbers by hand, its pictures, and every warning from a dataset that deserves it."""

import json
import shutil

import cv2
import numpy as np
import pytest
from dataset_files import build, rgb
from robotwin_files import dumps, frame_content, write_instructions

from training import inspect_dataset
from training.dataset.index import load_split
from training.episodes import open_source

HAMMER, STACK = "block_hammer_beat", "blocks_stack_easy"


def inspect(dataset, out, *options):
    assert inspect_dataset.main([str(dataset), "--out", str(out), *options]) == 0
    return json.loads((out / "numbers.json").read_text())


def write_runs(root, task, frame_counts, seen=("Do it.", "Do it now."), unseen=("Please do it.",)):
    """Episodes in which a square moves along a line of its own."""
    write_instructions(root, task, seen, unseen)
    for run, frames in enumerate(frame_counts):
        top, grey = np.random.default_rng([*task.encode(), run]).integers([0, 170], [36, 255])
        for frame in range(frames):
            image = np.full((48, 64, 3), 100, np.uint8)
            image[top : top + 12, frame : frame + 12] = grey
            write_frame(root / f"{task}_D435_pkl" / f"episode{run}" / f"{frame}.pkl", image)


def write_frame(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dumps(frame_content(image)))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("inspect")
    write_runs(root / "episodes", HAMMER, [30, 31, 32])
    write_runs(root / "episodes", STACK, [30, 31, 12], seen=["Stack."], unseen=None)
    assert build(root / "episodes", root / "dataset") == 0
    return root / "dataset"


def test_numbers_and_pictures(dataset, tmp_path, capsys):
    numbers = inspect(dataset, tmp_path / "out", "--pairs", "2")
    rows = [row for row in load_split(dataset, "train") + load_split(dataset, "test") if row.task == HAMMER]
    differences = [np.abs(rgb(row.edited_image).astype(float) - rgb(row.input_image)).mean() for row in rows]
    motion = numbers["motion"][HAMMER]
    assert motion["pairs"] == len(rows)
    assert motion["median"] == pytest.approx(np.median(differences), abs=0.01)
    assert motion["still"] == 0
    for name in ("pairs.png", "motion.png"):
        picture = cv2.imread(str(tmp_path / "out" / name))
        assert picture.shape[1] == 900
        assert picture.std() > 20
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["motion.png", "numbers.json", "pairs.png"]
    printed = " ".join(capsys.readouterr().out.split())
    assert "motion: mean |later - now|" in printed


def test_a_healthy_task_gets_no_warning(dataset, tmp_path):
    assert not [warning for warning in inspect(dataset, tmp_path)["warnings"] if HAMMER in warning]


def test_short_episodes_and_shared_phrasings(dataset, tmp_path):
    assert inspect(dataset, tmp_path)["warnings"] == [
        f'{STACK}: 1 phrasings are in both train and test, such as "Stack."',
        f"{STACK} episode 2: left out, its 12 frames are too few for a pair",
    ]


def test_frozen_cameras_and_duplicates(tmp_path):
    root = tmp_path / "episodes"
    write_runs(root, HAMMER, [30] * 5)
    folder = root / f"{HAMMER}_D435_pkl"
    for frame in range(1, 30):
        shutil.copyfile(folder / "episode4" / "0.pkl", folder / "episode4" / f"{frame}.pkl")
    shutil.copytree(folder / "episode0", folder / "episode5")
    for index, image in open_source(folder / "episode1").episodes[0].read():
        write_frame(folder / "episode6" / f"{index}.pkl", compressed(image))
    assert build(root, tmp_path / "d", "--test-fraction", "0") == 0
    assert inspect(tmp_path / "d", tmp_path / "out")["warnings"] == [
        "there is nothing to test on",
        f"{HAMMER} episode 0 (train) and {HAMMER} episode 5 (train) are the same recording",
        f"{HAMMER} episode 1 (train) and {HAMMER} episode 6 (train) look the same",
        f"{HAMMER} episode 4 (train): the camera is frozen, all frames look the same",
    ]


def test_many_tasks_of_one_episode_are_taken_for_one_task_in_pieces(tmp_path):
    for number in range(3):  # as a folder of bags without --task
        write_runs(tmp_path / "episodes", f"take_{number}", [60])
    assert build(tmp_path / "episodes", tmp_path / "d") == 0
    warnings = inspect(tmp_path / "d", tmp_path / "out")["warnings"]
    assert "there is nothing to test on; every task has one episode: build with --task NAME if" in warnings[0]


def compressed(image):
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)


def test_duplicates_across_splits_come_first(tmp_path):
    root = tmp_path / "episodes"
    write_runs(root, HAMMER, [30, 30])
    for number in (0, 1):
        folder = root / f"{HAMMER}_D435_pkl"
        shutil.copytree(folder / f"episode{number}", folder / f"episode{number + 2}")
    assert build(root, tmp_path / "d", "--test-fraction", "0.25") == 0
    warnings = inspect(tmp_path / "d", tmp_path / "out")["warnings"]
    assert len(warnings) == 2
    assert warnings[0].endswith("are the same recording, which leaks test frames into train")


def test_split_by_pair_and_bad_episodes_are_mentioned(tmp_path):
    write_runs(tmp_path / "episodes", HAMMER, [30, 30, 30])
    (tmp_path / "episodes" / f"{HAMMER}_D435_pkl" / "episode1" / "3.pkl").write_bytes(b"")
    assert build(tmp_path / "episodes", tmp_path / "d", "--skip-bad", "--split-by", "pair") == 0
    warnings = inspect(tmp_path / "d", tmp_path / "out")["warnings"]
    assert warnings[0].startswith("split by pair: test frames have near-duplicates in train")
    assert f"{HAMMER}_D435_pkl/episode1/3.pkl: left out" in warnings[-1]


def test_no_dataset_or_a_missing_frame(dataset, tmp_path, capsys):
    assert inspect_dataset.main([str(tmp_path)]) == 1
    assert "not a dataset folder" in capsys.readouterr().err
    shutil.copytree(dataset, tmp_path / "d")
    row = load_split(tmp_path / "d", "train")[0]
    row.input_image.unlink()
    assert inspect_dataset.main([str(tmp_path / "d"), "--out", str(tmp_path / "out")]) == 1
    assert row.input_image.name in capsys.readouterr().err
