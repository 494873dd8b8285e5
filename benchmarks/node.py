"""What the node itself costs: messages to pictures and back, and how soon it reacts while it predicts.

python -m benchmarks.node [--seconds 60] [--checkpoint DIR] [--engine auto] --out DIR

Frames are 640x480 at 30 Hz, from this process to a predictor node in another, over DDS on this machine only. The node
is watched while it is paused, which is the reference, and while it predicts, in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.table import Table

from benchmarks.conversions import Conversion, mean_conversions
from benchmarks.live_node import HEIGHT, RATE, WIDTH, Live, Watch, measure_live
from benchmarks.prediction import read_pairs
from framepred_ros.pictures import save_figure
from framepred_ros.prediction.checkpoint import shipped_checkpoint
from framepred_ros.tables import print_tables
from training.evaluation.report import environment

FRAMES_PER_EPISODE = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 the node did not come up."""
    args = _parse(arguments)
    pairs = read_pairs(horizon=0, per_task=FRAMES_PER_EPISODE)
    frames = [(cv2.resize(pair.current, (WIDTH, HEIGHT)), pair.instruction) for pair in pairs]
    conversions = mean_conversions(frames, args.checkpoint or shipped_checkpoint())
    try:
        live = measure_live(args.seconds, str(args.checkpoint or ""), args.engine)
    except TimeoutError as error:
        print(f"benchmarks.node: {error}", file=sys.stderr)
        return 1
    facts = environment("cpu") | {
        "engine": args.engine,
        "load_average": os.getloadavg(),
        "frames": f"{WIDTH}x{HEIGHT} at {RATE:g} Hz",
    }
    write(args.out, facts, conversions, live)
    report(conversions, live)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.node", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the node is watched in each state")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint folder (default: the shipped one)")
    parser.add_argument("--engine", default="auto", help="the node's parameter of that name")
    parser.add_argument("--out", type=Path, required=True, help="folder for node.json and node.png")
    return parser.parse_args(arguments)


def write(out: Path, facts: dict[str, Any], conversions: list[Conversion], live: Live) -> None:
    """Writes node.json and node.png: the distribution of answers and latencies, and memory over time."""
    out.mkdir(parents=True, exist_ok=True)
    content = {"environment": facts, "conversions": [asdict(each) for each in conversions], "live": asdict(live)}
    (out / "node.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 3.4), layout="constrained")
    lateness, answers, latencies, memory = figure.subplots(1, 4)
    for name, watch in asdict(live).items():
        answers.hist([1e3 * seconds for seconds in watch["answers"]], bins=40, alpha=0.6, label=name)
        lateness.hist([1e3 * seconds for seconds in watch["lateness"]], bins=40, alpha=0.6, label=name)
    answers.set(xlabel="ms", title="answer to a parameter request", yscale="log")
    lateness.set(xlabel="ms", title="executor late by", yscale="log")
    answers.legend()
    latencies.hist([1e3 * seconds for seconds in live.predicting.latencies], bins=40)
    latencies.set(xlabel="ms", title="frame stamp to prediction received")
    sizes = [size / 2**20 for _, size in live.predicting.memory]
    memory.plot([at for at, _ in live.predicting.memory], sizes)
    memory.set(xlabel="s", ylabel="MiB", title="resident memory", ylim=(0, 1.1 * max(sizes)))
    save_figure(figure, out / "node.png", dpi=110)


def report(conversions: list[Conversion], live: Live) -> None:
    """Prints both parts as tables."""
    table = Table(f"{WIDTH}x{HEIGHT}", "ours, CPU ms", "plain way, CPU ms", "ratio")
    for each in conversions:
        table.add_row(each.name, f"{each.ours:.2f}", f"{each.plain:.1f}", f"{each.plain / each.ours:,.1f}")
    print_tables(table)
    table = Table("the node", "paused", "predicting")
    for name, describe in ROWS.items():
        table.add_row(name, describe(live.paused), describe(live.predicting))
    print_tables(table)


def _memory(watch: Watch) -> str:
    first, last = watch.memory[min(5, len(watch.memory) - 1)][1], watch.memory[-1][1]
    return f"{first / 2**20:.0f} / {last / 2**20:.0f} MiB"


def _quantiles(seconds: list[float], low: float, high: float) -> str:
    if not seconds:
        return "none"
    return " / ".join(f"{1e3 * value:.1f} ms" for value in np.percentile(seconds, (low, high)))


ROWS: dict[str, Callable[[Watch], str]] = {
    "frames sent": lambda watch: f"{watch.sent}",
    "predictions a second": lambda watch: f"{len(watch.latencies) / watch.seconds:.1f}",
    "latency, median / p95": lambda watch: _quantiles(watch.latencies, 50, 95),
    "executor late by, median / p99": lambda watch: _quantiles(watch.lateness, 50, 99),
    "answer to a request, median / p99": lambda watch: _quantiles(watch.answers, 50, 99),
    "CPU of the node": lambda watch: f"{watch.cpu_seconds / watch.seconds:.2f} cores",
    "taken by other virtual machines": lambda watch: f"{watch.stolen / watch.seconds:.3f} cores",
    "memory after 5 s, and at the end": _memory,
}
"""The table's cells for a watch."""


if __name__ == "__main__":
    sys.exit(main())
