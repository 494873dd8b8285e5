"""Threads by the cores that a process may use, in a container with a quota too."""

import os

import pytest

from framepred_ros.prediction import threads
from framepred_ros.prediction.cpu_quota import cpu_quota


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")
    return folder


@pytest.mark.parametrize(
    "limit, expected", [("max 100000", None), ("150000 100000", 1.5), ("400000 100000", 4.0), ("nonsense", None)]
)
def test_version_2_as_docker_mounts_it(tmp_path, limit, expected):
    groups = write(tmp_path / "cgroup", cpu__max=limit)
    own = write(tmp_path, own="0::/") / "own"
    assert cpu_quota(groups, own) == expected


def test_the_tightest_of_the_groups_around_counts(tmp_path):
    groups = tmp_path / "cgroup"
    write(groups / "robot", cpu__max="200000 100000")
    write(groups / "robot" / "camera", cpu__max="max 100000")
    own = write(tmp_path, own="0::/robot/camera") / "own"
    assert cpu_quota(groups, own) == 2.0


def test_version_1_with_the_path_that_only_the_machine_knows(tmp_path):
    write(tmp_path / "cgroup/cpu,cpuacct", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    own = write(tmp_path, own="5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc") / "own"
    assert cpu_quota(tmp_path / "cgroup", own) == 0.5
    write(tmp_path / "cgroup/cpu,cpuacct", cpu__cfs_quota_us="-1")
    assert cpu_quota(tmp_path / "cgroup", own) is None


def test_no_groups_no_limit(tmp_path):
    assert cpu_quota(tmp_path / "none", tmp_path / "nothing") is None


@pytest.mark.parametrize("quota, cores", [(None, 8), (3.9, 3), (0.5, 1), (64.0, 8)])
def test_a_quota_is_rounded_down_and_one_core_is_always_there(monkeypatch, quota, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "cpu_quota", lambda: quota)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads.usable_cores() == cores
    assert threads.default_threads() <= cores
