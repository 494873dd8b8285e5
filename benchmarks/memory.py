"""Peak memory of a stretch of work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import torch

_PERIOD = 0.01  # seconds between two looks


@dataclass
class Peak:
    """Bytes: of the GPU's allocations on a GPU, else of this process's resident memory, looked at every 10 ms."""

    peak: int = 0


def used_memory(device: torch.device) -> int:
    """What is taken now, counted as in `Peak`."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return psutil.Process().memory_info().rss


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """Measures the block's peak; the result is complete once the block has ended."""
    result = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield result
        result.peak = torch.cuda.max_memory_allocated(device)
        return
    process, done = psutil.Process(), threading.Event()

    def watch() -> None:
        while not done.wait(_PERIOD):
            result.peak = max(result.peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield result
    finally:
        done.set()
        watcher.join()
        result.peak = max(result.peak, process.memory_info().rss)
