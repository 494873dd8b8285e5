"""How many threads a model computes with on a CPU, and how much they give way to others."""

from __future__ import annotations

import os
import sys
import threading

import psutil


def usable_cores() -> int:
    """How many logical cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
