"""The dataset benchmark: what it measures of a process tree, and a whole run on small episodes."""

import json
import sys

import cv2
import datasets
import pytest
from robotwin_files import write_task

from benchmarks import dataset, dataset_plain
from benchmarks.dataset_runs import run_command

TASK = "block_hammer_beat"
GRANDCHILD = "import time; data = bytearray(200 * 2**20); time.sleep(1)"
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {GRANDCHILD!r}])"


def test_memory_of_children_counts(tmp_path):
    run = run_command([sys.executable, "-c", CHILD], tmp_path / "log")
    assert 200 * 2**20 < run.peak < 300 * 2**20
    assert run.seconds > 1
    assert run.cpu_seconds > 0


def test_a_failing_command_is_reported(tmp_path):
    with pytest.raises(RuntimeError, match="no such thing"):
        run_command([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path / "log")


def test_the_plain_way_makes_the_same_pairs(tmp_path, monkeypatch):
    write_task(tmp_path / "episodes", TASK, [53, 55])
    monkeypatch.setattr(sys, "argv", ["plain", str(tmp_path / "episodes"), "--out", str(tmp_path / "plain")])
    assert dataset_plain.main() == 0
    rows = datasets.load_from_disk(str(tmp_path / "plain" / "dataset"))
    assert len(rows) == 3 + 5
    assert rows[0]["edited_image"].size == (64, 48)


@pytest.mark.slow
def test_a_whole_run(tmp_path):
    write_task(tmp_path / "episodes", TASK, [60] * 8)
    arguments = ["--out", str(tmp_path / "out"), "--repeat", "1", "--count", "4"]
    assert dataset.main([str(tmp_path / "episodes"), *arguments]) == 0
    numbers = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert [way["way"] for way in numbers["ways"]] == list(dataset.WAYS)
    assert all(way["frames"] == 4 * 60 and way["runs"][0]["peak"] > 0 for way in numbers["ways"])
    assert [growth["frames"] for growth in numbers["growth"]] == [2 * 60, 8 * 60]
    assert cv2.imread(str(tmp_path / "out" / "dataset.png")) is not None
