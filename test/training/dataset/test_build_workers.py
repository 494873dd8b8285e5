"""The runners: a Ray cluster gives what the local pool gives, dead workers are reported, jobs are made lazily."""

import os
import signal
import sys

import pytest
from dataset_files import build, contents
from robotwin_files import write_task

from training.dataset import workers

HAMMER = "block_hammer_beat"


@pytest.mark.slow
def test_ray_gives_the_same_bytes(tmp_path):
    """Also of a source with an unreadable episode: the error comes back from the cluster."""
    pytest.importorskip("ray")
    write_task(tmp_path / "episodes", HAMMER, [25, 26, 27, 28, 29])
    (tmp_path / "episodes" / f"{HAMMER}_D435_pkl" / "episode1" / "3.pkl").write_bytes(b"")
    assert build(tmp_path / "episodes", tmp_path / "pool", "--skip-bad") == 0
    assert build(tmp_path / "episodes", tmp_path / "ray", "--skip-bad", "--ray", "local", "--workers", "2") == 0
    assert contents(tmp_path / "ray") == contents(tmp_path / "pool")


def test_without_ray_the_message_says_what_to_install(tmp_path, capsys, monkeypatch):
    write_task(tmp_path / "episodes", HAMMER, [25])
    monkeypatch.setitem(sys.modules, "ray", None)
    assert build(tmp_path / "episodes", tmp_path / "d", "--ray", "local") == 1
    assert "pip install 'framepred_ros[cluster]'" in capsys.readouterr().err


def _die(job):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_is_reported(monkeypatch):
    monkeypatch.setattr(workers, "_try_store", _die)
    with pytest.raises(workers.WorkerError, match="a worker process died"):
        list(workers.run_in_processes(range(3), 2))


def test_jobs_are_made_as_they_are_needed():
    """The pool must not hold all jobs of a long build at once."""
    made, finished = [], 0

    def jobs():
        for number in range(1000):
            made.append(number)
            yield number

    def first(waiting):
        return list(waiting)[:1], list(waiting)[1:]

    for _handle in workers._keep_busy(jobs(), str, first, 3):
        finished += 1
        assert len(made) - finished <= 6
    assert finished == len(made) == 1000
