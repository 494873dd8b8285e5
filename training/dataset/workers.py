"""Run the per-episode function: here, in a pool of processes, or on a Ray cluster."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import cv2

from framepred_ros.workers import begin_worker
from training.dataset.stored_frames import StoredEpisode, StoreJob, store_episode
from training.episodes import EpisodeError

Result = tuple[StoreJob, StoredEpisode | EpisodeError]
Results = Generator[Result, None, None]  # closing it ends the work
Runner = Callable[[Iterable[StoreJob]], Results]
Handle = TypeVar("Handle")

LOCAL_RAY = "local"
_WAITING_PER_WORKER = 2  # jobs handed out ahead, so that no worker waits and memory does not grow with the episodes
_SOURCE_ROOT = Path(__file__).parents[2]


class WorkerError(RuntimeError):
    """A worker ended without a result, or the cluster cannot be used."""


def make_runner(workers: int, ray_address: str | None = None) -> Runner:
    """Runs jobs in this process (one worker), in a pool of processes, or on Ray. Results come as they are finished."""
    if ray_address is not None:
        return partial(run_on_ray, address=ray_address, workers=workers)
    return run_here if workers <= 1 else partial(run_in_processes, workers=workers)


def run_here(jobs: Iterable[StoreJob]) -> Results:
    """Runs the jobs one after the other."""
    yield from map(_try_store, jobs)


def run_in_processes(jobs: Iterable[StoreJob], workers: int) -> Results:
    """Runs the jobs in processes of this machine. Closing the iterator drops what has not begun."""
    context = multiprocessing.get_context("spawn")  # a forked copy of a process with threads may deadlock
    with ProcessPoolExecutor(workers, context, _start_worker) as pool:
        submit = partial(pool.submit, _try_store)
        try:
            for future in _keep_busy(jobs, submit, partial(wait, return_when=FIRST_COMPLETED), workers):
                yield future.result()
        except BrokenProcessPool as error:
            raise WorkerError("a worker process died (out of memory?)") from error
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def run_on_ray(jobs: Iterable[StoreJob], address: str, workers: int) -> Results:
    """Runs the jobs on a Ray cluster, whose machines share the file system with this one and have the same Python.

    Args:
        jobs: each runs on one processor of the cluster; Ray repeats those whose machine is lost.
        address: of the cluster's head, or "local" to start one on this machine.
        workers: processors of a local cluster; a running one is used as it is.

    Raises:
        WorkerError: Ray is not installed, the cluster cannot be reached, or it lost a job for good.
    """
    try:
        import ray
    except ImportError as error:
        raise WorkerError("Ray is not installed (pip install 'framepred_ros[cluster]')") from error
    local = {"num_cpus": workers, "include_dashboard": False} if address == LOCAL_RAY else {"address": address}
    environment = {"env_vars": {"PYTHONPATH": str(_SOURCE_ROOT)}}
    try:
        ray.init(**local, runtime_env=environment, log_to_driver=False, logging_level=logging.ERROR)
        processors = int(ray.cluster_resources().get("CPU", 1))
        store = ray.remote(num_cpus=1)(_try_store)
        for reference in _keep_busy(jobs, store.remote, lambda waiting: ray.wait(list(waiting)), processors):
            yield ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise WorkerError(f"Ray at {address}: {' '.join(str(error).split())}") from error
    finally:
        ray.shutdown()


def _keep_busy(
    jobs: Iterable[StoreJob],
    submit: Callable[[StoreJob], Handle],
    wait_for_first: Callable[[Collection[Handle]], tuple[Iterable[Handle], Iterable[Handle]]],
    workers: int,
) -> Iterator[Handle]:
    """Hands out jobs as fast as they are done and yields the finished ones."""
    jobs = iter(jobs)
    waiting = {submit(job) for job in islice(jobs, workers * _WAITING_PER_WORKER)}
    while waiting:
        finished, unfinished = map(list, wait_for_first(waiting))
        waiting = {*unfinished, *(submit(job) for job in islice(jobs, len(finished)))}
        yield from finished


def _try_store(job: StoreJob) -> Result:
    """The job's result; an error of the episode is a result too."""
    try:
        return job, store_episode(job)
    except EpisodeError as error:
        return job, error


def _start_worker() -> None:
    cv2.setNumThreads(1)
    begin_worker()
