"""How soon a prediction is there, and in how much memory: without PyTorch beside with it, in the same run.

python -m benchmarks.start_up [--runs 5] [--checkpoint DIR] --out DIR

A command is `framepred predict`, from its start to its end; a node is measured from the start of its process, 640x480.
Runs of both ways take turns. Seconds of CPU are given besides those of the clock: a busy machine stretches the latter.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil
from rich.table import Table
from tqdm import tqdm

from benchmarks.rig import DEADLINE, INSTRUCTION, Rig
from benchmarks.shipped import shipped_episodes
from framepred_ros.demo.processes import ChildProcess
from framepred_ros.pictures import save_figure
from framepred_ros.prediction.checkpoint import shipped_checkpoint
from framepred_ros.ros.local_network import free_domain_id, local_environment
from framepred_ros.tables import print_tables
from training.evaluation.report import environment

WAYS = {"without PyTorch": "openvino", "PyTorch": "fast"}  # by engine
# The command chooses by itself, and takes PyTorch where there is no OpenVINO. Its peak memory it says last: what the
# system tells its parent is at least what the parent had.
PROGRAM = """
import sys
from framepred_ros.cli import main
status = main()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
sys.exit(status)
"""
COMMAND = {"openvino": PROGRAM, "fast": "import sys\nsys.modules['openvino'] = None\n" + PROGRAM}
WATCHED = 5.0  # seconds that a node predicts before its memory is read
SIZE = (640, 480)
MEBIBYTE = 2**20


@dataclass
class Start:
    """One start. Seconds from the start of the process; memory in bytes."""

    way: str
    kind: str  # "command" or "node"
    seconds: float  # until the command ended, or the node's first prediction was received
    cpu_seconds: float  # of the process until then
    memory: int  # at most by then for a command; after five seconds of predictions for a node
    active_seconds: float | None = None  # until the node said that it was active
    again_seconds: float | None = None  # from kill -9 of the supervised node to the next prediction


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 something did not predict."""
    args = _parse(arguments)
    os.environ.update(local_environment(free_domain_id()))
    starts = []
    frame = cv2.resize(shipped_episodes()[0].frames[0], SIZE)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for way in WAYS:  # what is made at first use is made now
                measure_command(way, frame, args.checkpoint, Path(folder))
            jobs = [way for _ in range(args.runs) for way in WAYS]
            for way in tqdm(jobs, desc="commands"):
                starts.append(measure_command(way, frame, args.checkpoint, Path(folder)))
            rig = Rig(Path(folder), str(args.checkpoint))
            rig.picture = frame
            try:
                for way in tqdm(jobs, desc="nodes"):
                    starts.append(measure_node(rig, way))
            finally:
                rig.close()
    except (RuntimeError, TimeoutError) as error:
        print(f"benchmarks.start_up: {error}", file=sys.stderr)
        return 1
    facts = environment("cpu") | {"load_average": os.getloadavg(), "runs": args.runs, "frame": SIZE}
    write(args.out, facts, starts)
    report(starts)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start_up", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="of each way and kind")
    parser.add_argument("--checkpoint", type=Path, default=shipped_checkpoint(), help="default: the shipped one")
    parser.add_argument("--out", type=Path, required=True, help="folder for start_up.json and start_up.png")
    return parser.parse_args(arguments)


def measure_command(way: str, frame: np.ndarray, checkpoint: Path, folder: Path) -> Start:
    """Starts `framepred predict` and waits for its end. Raises RuntimeError if it fails."""
    cv2.imwrite(str(folder / "now.png"), frame[:, :, ::-1])
    command = [sys.executable, "-c", COMMAND[WAYS[way]], "predict", str(folder / "now.png"), INSTRUCTION]
    command += ["-o", str(folder / "future.png"), "--checkpoint", str(checkpoint), "--device", "cpu"]
    started = time.monotonic()
    before = _children_cpu()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    seconds = time.monotonic() - started
    if done.returncode:
        raise RuntimeError(f"framepred predict ended with {done.returncode} ({way})")
    return Start(way, "command", seconds, _children_cpu() - before, 1024 * int(done.stdout.split()[-1]))


def _children_cpu() -> float:
    """Seconds of CPU that ended children of this process have used."""
    times = os.times()
    return times.children_user + times.children_system


def measure_node(rig: Rig, way: str) -> Start:
    """Starts the node under its supervisor until it predicts, and kills it once. Raises TimeoutError if it does not."""
    started = time.monotonic()
    # At the priority of all else: given way to a busy machine, a start takes as long as that likes.
    with rig.start(module="framepred_ros.node.supervisor", engine=WAYS[way], cpu_niceness=0) as supervisor:
        while "Active: " not in supervisor.log.read_text():
            _check(supervisor, time.monotonic() - started < DEADLINE and supervisor.exit_code is None)
            rig.spin(0.02)
        active = time.monotonic() - started
        seconds = _wait_for_prediction(rig, supervisor) - started
        (node,) = psutil.Process(supervisor.pid).children()
        used = sum(sum(process.cpu_times()[:2]) for process in (psutil.Process(supervisor.pid), node))
        end = time.monotonic() + WATCHED
        while time.monotonic() < end:
            rig.send_picture()
            rig.spin(0.05)
        memory = node.memory_info().rss
        node.kill()
        node.wait(DEADLINE)
        killed = time.monotonic()
        again = _wait_for_prediction(rig, supervisor) - killed
    return Start(way, "node", seconds, used, memory, active, again)


def _wait_for_prediction(rig: Rig, supervisor: ChildProcess) -> float:
    """Sends frames until one is predicted from; returns the `time.monotonic()` of that."""
    _check(supervisor, rig.predicts(supervisor))
    return time.monotonic()


def _check(supervisor: ChildProcess, well: bool) -> None:
    if not well:
        raise TimeoutError(f"no prediction within {DEADLINE:g} s\n{supervisor.describe_end()}")


def write(out: Path, facts: dict, starts: list[Start]) -> None:
    """Writes start_up.json and start_up.png: seconds and memory of every start."""
    out.mkdir(parents=True, exist_ok=True)
    content = {"environment": facts, "starts": [asdict(start) for start in starts]}
    (out / "start_up.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axis, kind in zip(figure.subplots(1, 2), ("command", "node"), strict=True):
        for way in WAYS:
            chosen = [start for start in starts if (start.way, start.kind) == (way, kind)]
            sizes = [start.memory / MEBIBYTE for start in chosen]
            axis.scatter([start.seconds for start in chosen], sizes, label=way)
        axis.set(xlabel="s", ylabel="MiB", title=kind, xlim=(0, None), ylim=(0, None))
        axis.legend()
    save_figure(figure, out / "start_up.png", dpi=110)


def report(starts: list[Start]) -> None:
    """Prints medians as a table."""
    table = Table("median", *WAYS)
    rows = {
        "framepred predict, s": ("command", "seconds", 1),
        "CPU, s": ("command", "cpu_seconds", 1),
        "peak memory, MiB": ("command", "memory", MEBIBYTE),
        "node: start to active, s": ("node", "active_seconds", 1),
        "to the first prediction, s": ("node", "seconds", 1),
        "CPU until then, s": ("node", "cpu_seconds", 1),
        "memory, MiB": ("node", "memory", MEBIBYTE),
        "kill -9 to the next prediction, s": ("node", "again_seconds", 1),
    }
    for name, (kind, field, unit) in rows.items():
        values = [
            np.median([getattr(start, field) for start in starts if (start.way, start.kind) == (way, kind)]) / unit
            for way in WAYS
        ]
        table.add_row(name, *(f"{value:.0f}" if unit > 1 else f"{value:.2f}" for value in values))
    print_tables(table)


if __name__ == "__main__":
    sys.exit(main())
