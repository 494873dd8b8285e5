"""One part of the day with a GPU, in a process of its own: what `benchmarks.gpu` starts.

python -m benchmarks.gpu_parts PART --device cuda --result FILE --seconds LIMIT [--small]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import framepred_ros  # noqa: F401  (before torch: it sets how OpenMP threads wait)

# isort: split
import pytest
import torch

from benchmarks.gpu_journal import Journal
from benchmarks.gpu_prediction import measure_compositing, measure_predictions
from benchmarks.gpu_training import measure_memory, measure_training
from training.evaluation.report import environment

ROOT = Path(__file__).parents[1]
REHEARSAL = "FRAMEPRED_GPU_TESTS"
"""Names the device of the tests that are marked `gpu`, see test/conftest.py."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a part; returns the exit status: 0 all went well, 1 the journal says what did not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_parts", description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=tuple(PARTS))
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--small", action="store_true", help="tiny sizes")
    parser.add_argument("--result", type=Path, required=True, help="the journal's file")
    parser.add_argument("--seconds", type=float, required=True, help="after which the process will be ended")
    args = parser.parse_args(arguments)
    journal = Journal(args.result, args.seconds)
    journal.describe(_environment(args.device))
    PARTS[args.part](journal, torch.device(args.device), args.small)
    return int(bool(journal.failures))


def _environment(device: str) -> dict:
    facts = environment(device)
    if device == "cuda":
        facts["hardware"]["accelerator_bytes"] = torch.cuda.get_device_properties(device).total_memory
        facts["versions"]["cuda"] = torch.version.cuda
    return facts | {"load_average": os.getloadavg()}


class _Recorder:
    """Notes each test when it has ended, so that those are known that did so before time was up."""

    def __init__(self, journal: Journal):
        self.journal, self.counts = journal, {"passed": 0, "failed": 0, "skipped": 0}

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.outcome == "passed":
            return
        self.counts[report.outcome] += 1
        if report.failed:
            self.journal.fail(report.nodeid)
        beside = ", ".join(f"{count} {outcome}" for outcome, count in self.counts.items() if outcome != "passed")
        self.journal.put("tests passed", self.counts["passed"], beside=beside)


def run_tests(journal: Journal, device: torch.device, small: bool) -> None:
    """Runs the tests that are marked `gpu`, from those files alone: the others may need what a GPU's host has not."""
    os.environ[REHEARSAL] = device.type
    files = [path for path in sorted((ROOT / "test").rglob("test_*.py")) if "mark.gpu" in path.read_text("utf-8")]
    recorder = _Recorder(journal)
    words = ["-m", "gpu and not slow" if small else "gpu", "-p", "no:cacheprovider", f"--rootdir={ROOT}"]
    pytest.main([*words, *map(str, files)], plugins=[recorder])
    if not recorder.counts["passed"]:
        journal.fail("no test passed")


PARTS: dict[str, Callable[[Journal, torch.device, bool], None]] = {
    "tests": run_tests,
    "compositing": measure_compositing,
    "prediction": measure_predictions,
    "training": measure_training,
    "memory": measure_memory,
}

if __name__ == "__main__":
    sys.exit(main())
