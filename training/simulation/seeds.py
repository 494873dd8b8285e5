"""Seeds tried in order, on several processes, until every task has enough episodes. Needs no MuJoCo.

A seed whose episode fails is skipped, and none is tried that may not be needed: the result is the same for any number
of workers and any interruption.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context
from typing import Any

from rich.table import Table

from framepred_ros.workers import begin_worker

MAX_FAILURES_IN_A_ROW = 50


@dataclass
class SeedProgress:
    """What the seeds of one task have given so far: results by seed, and seeds that failed."""

    records: dict[int, Any] = field(default_factory=dict)
    failed: dict[int, Any] = field(default_factory=dict)


def try_seeds(
    progress: dict[str, SeedProgress],
    episodes: int,
    first_seed: int,
    workers: int,
    work: Callable[[str, int], Callable],
) -> Iterator[tuple[str, int, Any]]:
    """Run `work(task, seed)()` in `workers` processes until all tasks have `episodes` records.

    Yields (task, seed, result) in any order; the consumer enters each among the task's records or failures before it
    asks for the next. `work` gives something that can be pickled.

    Raises:
        RuntimeError: a task fails `MAX_FAILURES_IN_A_ROW` seeds in a row.
    """
    running: dict = {}
    # A fresh interpreter per worker: OpenGL contexts do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker) as pool:
        try:
            while True:
                for task, done in progress.items():
                    mine = {seed for name, seed in running.values() if name == task}
                    for seed in _next_seeds(task, done, mine, episodes, first_seed, workers * 2 - len(running)):
                        running[pool.submit(work(task, seed))] = (task, seed)
                if not running:
                    return
                future = next(as_completed(running))
                task, seed = running.pop(future)
                yield task, seed, future.result()
        except BaseException:
            for worker in active_children():  # Ctrl+C does not wait: what was being made is made anew
                worker.terminate()
            raise


def progress_table(progress: dict[str, SeedProgress]) -> Table:
    """Episodes, failed seeds and frames of each task, for the terminal; records say their `frames`."""
    table = Table("task", "episodes", "failed seeds", "frames", "frames per episode")
    for task, done in progress.items():
        frames = [record.frames for record in done.records.values()]
        mean = f"{sum(frames) / max(1, len(frames)):.0f}"
        table.add_row(task, str(len(frames)), str(len(done.failed)), str(sum(frames)), mean)
    return table


def _start_worker() -> None:
    os.environ["LP_NUM_THREADS"] = "1"  # software OpenGL: one thread per worker instead of all cores for each
    begin_worker()


def _next_seeds(
    task: str, done: SeedProgress, running: set[int], episodes: int, first_seed: int, places: int
) -> list[int]:
    """The next seeds of a task, at most `places`, never more than will be needed."""
    needed = episodes - len(done.records) - len(running)
    chosen: list[int] = []
    seed = first_seed
    while len(chosen) < min(needed, places):
        while seed in done.records or seed in done.failed or seed in running:
            seed += 1
        if _failures_in_a_row(done, seed) >= MAX_FAILURES_IN_A_ROW:
            raise RuntimeError(f"{task}: {MAX_FAILURES_IN_A_ROW} seeds in a row failed before seed {seed}")
        chosen.append(seed)
        seed += 1
    return chosen


def _failures_in_a_row(done: SeedProgress, seed: int) -> int:
    count = 0
    while seed - 1 - count in done.failed:
        count += 1
    return count
