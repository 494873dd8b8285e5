"""Run a command and measure how long it takes and how much memory it and its children have."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_PERIOD = 0.05  # seconds between two looks at the memory
_SETTLED = 0.5  # seconds; a child that was just forked still shows its parent's memory


@dataclass(frozen=True)
class Run:
    """One run of a command and its children.

    Attributes:
        seconds: from start to end.
        cpu_seconds: of all processors together; other work on the machine changes them little.
        peak: of the resident memory of all processes, in bytes. Pages that processes share count once per process, so
            two workers look larger than they are.
    """

    seconds: float
    cpu_seconds: float
    peak: int


def run_command(command: Sequence[str], log: Path) -> Run:
    """Runs a command; its output goes to a file. Raises RuntimeError with the output's end if it fails."""
    started, cpu_before, peak = time.monotonic(), _cpu_seconds(), 0
    with log.open("w") as output:
        process = psutil.Popen(list(command), stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, _tree_memory(process))
            time.sleep(_PERIOD)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {log.read_text()[-500:]}")
    return Run(time.monotonic() - started, _cpu_seconds() - cpu_before, peak)


def _cpu_seconds() -> float:
    """Of all children that have ended, and theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _tree_memory(process: psutil.Process) -> int:
    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            settled = member is process or time.time() - member.create_time() > _SETTLED
            total += member.memory_info().rss if settled else 0
    except psutil.NoSuchProcess:
        return 0  # one ended while we looked; the next look is near
    return total
