"""Run the per-episode function: here, in a pool of processes, or on a Ray cluster."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from functools import partial
from itertools import islice

import cv2

from training.episodes import EpisodeError
from training.stored_frames import StoredEpisode, StoreJob, store_episode

Result = tuple[StoreJob, StoredEpisode | EpisodeError]
Runner = Callable[[Iterable[StoreJob]], Iterator[Result]]

_WAITING_PER_WORKER = 2  # jobs handed out ahead, so that no worker waits and memory does not grow with the episodes


def make_runner(workers: int) -> Runner:
    """Runs jobs in this process (one worker) or in a pool of processes. Results come as they are finished."""
    return run_here if workers <= 1 else partial(run_in_processes, workers=workers)


def run_here(jobs: Iterable[StoreJob]) -> Iterator[Result]:
    """Runs the jobs one after the other."""
    yield from map(_try_store, jobs)


def run_in_processes(jobs: Iterable[StoreJob], workers: int) -> Iterator[Result]:
    """Runs the jobs in processes of this machine. Closing the iterator drops what has not begun."""
    context = multiprocessing.get_context("spawn")  # a forked copy of a process with threads may deadlock
    jobs = iter(jobs)
    with ProcessPoolExecutor(workers, context, _start_worker) as pool:
        waiting = {pool.submit(_try_store, job) for job in islice(jobs, workers * _WAITING_PER_WORKER)}
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                waiting |= {pool.submit(_try_store, job) for job in islice(jobs, len(finished))}
                yield from (future.result() for future in finished)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _try_store(job: StoreJob) -> Result:
    """The job's result; an error of the episode is a result too."""
    try:
        return job, store_episode(job)
    except EpisodeError as error:
        return job, error


def _start_worker() -> None:
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
