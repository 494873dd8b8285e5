"""How many threads a model computes with on a CPU, and how much they give way to others."""

from __future__ import annotations

import os
import sys
import threading

import psutil

from framepred_ros.prediction.cpu_quota import cpu_quota


def usable_cores() -> int:
    """How many logical cores this process may keep busy: those it may run on, and no more than a container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    # Rounded down: with more threads than that, all of them would stand still for the rest of each period.
    return cores if quota is None else max(1, min(cores, int(quota)))


def lower_priority(niceness: int) -> None:
    """Makes the calling thread nicer, and with it the threads that it will start; only Linux knows this of a thread."""
    if niceness and sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + niceness))


def default_threads() -> int:
    """As many as PyTorch takes by itself: OMP_NUM_THREADS, or one per physical core that this process may run on."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return min(psutil.cpu_count(logical=False) or usable_cores(), usable_cores())
