"""Building a dataset again: after a kill, with more episodes, over something else; its name never shows half of it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dataset_files import HORIZON, build, contents
from robotwin_files import write_episode, write_instructions, write_task

from training.dataset.index import load_manifest, load_split

HAMMER = "block_hammer_beat"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def episodes(tmp_path_factory):
    root = tmp_path_factory.mktemp("episodes")
    write_task(root, HAMMER, [25, 26, 27, 25])
    return root


@pytest.fixture(scope="module")
def dataset(episodes, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "dataset"
    assert build(episodes, out, "--test-fraction", "0.3") == 0
    return out


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
    again = build(tmp_path / "episodes", tmp_path / "d")
    assert (again, "is complete" in capsys.readouterr().out) == (0, True)


def splits(dataset):
    return {record.number: record.split for record in load_manifest(dataset).episodes}


def test_a_dataset_that_grows_keeps_its_split(tmp_path):
    """Ranked anew, an episode that was trained on would be tested on: the draws of seed 42 do so from 4 to 9."""
    write_task(tmp_path / "episodes", HAMMER, [21] * 4)
    options = ("--test-fraction", "0.34")
    assert build(tmp_path / "episodes", tmp_path / "d", *options) == 0
    before = splits(tmp_path / "d")
    for number in range(4, 9):
        write_episode(tmp_path / "episodes", HAMMER, number, 21)
    assert build(tmp_path / "episodes", tmp_path / "d", *options) == 0
    after = splits(tmp_path / "d")
    assert before.items() <= after.items()
    assert list(after.values()).count("test") == round(9 * 0.34)
    assert build(tmp_path / "episodes", tmp_path / "anew", *options) == 0
    anew = splits(tmp_path / "anew")
    assert any(before[number] == "train" and anew[number] == "test" for number in before)


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
    assert "not a dataset folder" in capsys.readouterr().err
    assert contents(tmp_path) == {"d/thesis.txt": b"precious"}


def test_an_empty_folder_is_filled(episodes, tmp_path):
    (tmp_path / "d").mkdir()
    assert build(episodes, tmp_path / "d") == 0
    assert load_split(tmp_path / "d", "test")


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def found(folder, pattern):
    """How many files there are, in a folder that is being written and renamed."""
    try:
        return len(list(folder.glob(pattern)))
    except FileNotFoundError:
        return 0


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_in_the_middle_then_resumed_equals_uninterrupted(tmp_path, workers, capsys):
    write_task(tmp_path / "episodes", HAMMER, [45] * 6)
    assert build(tmp_path / "episodes", tmp_path / "uninterrupted") == 0
    # A pipe that nobody writes to stops the build at its last episode, so that it is killed at a known place.
    blocked = tmp_path / "episodes" / f"{HAMMER}_D435_pkl" / "episode5" / "7.pkl"
    frame = blocked.read_bytes()
    blocked.unlink()
    os.mkfifo(blocked)
    options = ["--out", str(tmp_path / "d"), "--horizon", str(HORIZON), "--workers", str(workers)]
    command = [sys.executable, "-m", "training.build_dataset", str(tmp_path / "episodes"), *options]
    process = subprocess.Popen(command, cwd=ROOT)
    finished = tmp_path / ".d.building" / "frames" / HAMMER
    wait_until(lambda: len(list(finished.glob("episode[0-4]"))) == 5)
    workers_of_it = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "d").exists()
    wait_until(lambda: not any(alive(pid) for pid in workers_of_it), 20)
    blocked.unlink()
    blocked.write_bytes(frame)
    capsys.readouterr()
    assert build(tmp_path / "episodes", tmp_path / "d") == 0
    assert "1 episodes converted, 5 resumed" in " ".join(capsys.readouterr().out.split())
    assert contents(tmp_path / "d") == contents(tmp_path / "uninterrupted")
    assert not (tmp_path / ".d.building").exists()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_again_and_again_equals_uninterrupted(tmp_path, workers):
    """Killed while it converts, while it assembles and while it embeds, and started again each time."""
    write_task(tmp_path / "episodes", HAMMER, [60] * 8)
    options = ["--horizon", str(HORIZON), "--workers", str(workers), "--embed"]
    assert build(tmp_path / "episodes", tmp_path / "uninterrupted", *options[2:]) == 0
    work = tmp_path / ".d.building"
    command = [sys.executable, "-m", "training.build_dataset", str(tmp_path / "episodes"), "--out", str(tmp_path / "d")]
    moments = [
        lambda: found(work, "frames/*/*.partial/*_frame9.jpg") > 0,
        lambda: found(work, "frames/*/episode?") >= 5,
        lambda: found(work, "dataset/*/metadata.jsonl") > 0,
        lambda: found(work, "dataset/parquet/data/*") > 0,
    ]
    for moment in moments:
        process = subprocess.Popen([*command, *options], cwd=ROOT)
        wait_until(lambda process=process, moment=moment: moment() or process.poll() is not None)
        workers_of_it = children_of(process.pid) if process.poll() is None else []
        process.kill()
        process.wait()
        wait_until(lambda pids=workers_of_it: not any(alive(pid) for pid in pids), 20)
        # A moment that the process was too fast for is no failure: then the whole dataset is there.
        assert not (tmp_path / "d").exists() or contents(tmp_path / "d") == contents(tmp_path / "uninterrupted")
    assert build(tmp_path / "episodes", tmp_path / "d", *options[2:]) == 0
    assert contents(tmp_path / "d") == contents(tmp_path / "uninterrupted")
    assert not work.exists()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_killed_while_replacing_the_dataset(episodes, dataset, tmp_path):
    """Between its two renames a replacement leaves the former dataset under another name; the next run restores it."""
    shutil.copytree(dataset, tmp_path / ".d.123.old")
    assert build(episodes, tmp_path / "d", "--test-fraction", "0.3") == 0
    assert contents(tmp_path / "d") == contents(dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_two_builds_of_one_dataset_do_not_mix(episodes, tmp_path, capsys):
    from filelock import FileLock

    (tmp_path / ".d.building").mkdir()
    with FileLock(tmp_path / ".d.building" / "lock"):
        assert build(episodes, tmp_path / "d") == 1
    assert "another build" in capsys.readouterr().err
