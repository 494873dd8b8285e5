"""Does a node that is slower than its cameras stay as it is? Latency, memory and order of predictions over time.

python -m benchmarks.soak [--minutes 30] [--rates 30 60] [--checkpoint DIR] --out DIR
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import psutil
from rich.table import Table
from tqdm import tqdm

from benchmarks.rig import Rig
from framepred_ros.demo.processes import ChildProcess
from framepred_ros.files import write_text
from framepred_ros.pictures import save_figure
from framepred_ros.prediction.checkpoint import shipped_checkpoint
from framepred_ros.ros.local_network import free_domain_id, local_environment
from framepred_ros.tables import print_tables

WIDTH, HEIGHT = 640, 480
WARM_UP = 5.0  # seconds that do not count
SAMPLE_PERIOD = 1.0  # seconds between two looks at the memory


@dataclass
class Soak:
    """One camera rate. Times in seconds, memory in bytes; `latencies` are (when, from frame stamp to arrival)."""

    rate: float
    seconds: float
    sent: int = 0
    out_of_order: int = 0
    latencies: list[tuple[float, float]] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        """Counts, the latency of the first and last tenth, and how memory and latency grow per hour (fitted lines)."""
        times, latency = np.array(self.latencies).T
        sampled, rss = np.array(self.memory).T
        tenth = max(1, len(latency) // 10)
        return {
            "camera rate": self.rate,
            "frames sent": self.sent,
            "predictions": len(latency),
            "out of order": self.out_of_order,
            "median latency, first tenth": float(np.median(latency[:tenth])),
            "median latency, last tenth": float(np.median(latency[-tenth:])),
            "latency growth per hour": 3600 * float(np.polyfit(times, latency, 1)[0]),
            "memory at the end, MB": rss[-1] / 1e6,
            "memory growth, MB per hour": 3600 * float(np.polyfit(sampled, rss, 1)[0]) / 1e6,
        }


def soak(rig: Rig, node: ChildProcess, rate: float, seconds: float) -> Soak:
    """Send frames at a rate for some seconds and watch the node.

    Raises:
        TimeoutError: the node does not predict, or ends; the message quotes its log.
    """
    if not rig.predicts(node):
        raise TimeoutError(f"the node does not predict\n{node.describe_end()}")
    process, result = psutil.Process(node.pid), Soak(rate, seconds)
    picture = cv2.resize(rig.picture, (WIDTH, HEIGHT))
    _send(rig, node, picture, rate, WARM_UP)
    known, rig.out_of_order, rig.sent = len(rig.predictions), 0, 0
    started = time.monotonic()
    with tqdm(total=round(seconds), unit="s", desc=f"{rate:g} Hz", disable=None) as bar:
        while (elapsed := time.monotonic() - started) < seconds:
            _send(rig, node, picture, rate, SAMPLE_PERIOD)
            result.memory.append((elapsed, process.memory_info().rss))
            bar.update(min(SAMPLE_PERIOD, seconds - elapsed))
    first = rig.predictions[known][0] if len(rig.predictions) > known else 0
    result.latencies = [((stamp - first) / 1e9, latency) for stamp, latency in rig.predictions[known:]]
    result.sent, result.out_of_order = rig.sent, rig.out_of_order
    return result


def _send(rig: Rig, node: ChildProcess, picture: np.ndarray, rate: float, seconds: float) -> None:
    if node.exit_code is not None:
        raise TimeoutError(f"the node ended with code {node.exit_code}\n{node.describe_end()}")
    started = time.monotonic()
    for index in range(round(seconds * rate)):
        rig.send_picture(picture)
        rig.spin(max(0.0, started + (index + 1) / rate - time.monotonic()))


def save_picture(path: Path, results: Sequence[Soak]) -> None:
    """Write a PNG of latency and memory over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True)
    for each in results:
        times, latency = np.array(each.latencies).T
        sampled, rss = np.array(each.memory).T
        axes[0].plot(times / 60, 1000 * latency, ".", markersize=2, label=f"camera at {each.rate:g} Hz")
        axes[1].plot(sampled / 60, rss / 1e6, label=f"camera at {each.rate:g} Hz")
    axes[0].set_ylabel("latency, ms")
    axes[1].set_ylabel("resident memory, MB")
    axes[1].set_xlabel("minutes")
    axes[0].legend(loc="upper right")
    save_figure(figure, path)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="per camera rate (default: 30)")
    parser.add_argument("--rates", type=float, nargs="+", default=[30.0, 60.0], help="camera rates, hertz")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint folder (default: the shipped one)")
    parser.add_argument("--out", type=Path, required=True, help="folder for soak.json, soak.png and the nodes' logs")
    arguments = parser.parse_args(argv)
    os.environ.update(local_environment(free_domain_id()))
    arguments.out.mkdir(parents=True, exist_ok=True)
    rig = Rig(arguments.out / "logs", str(arguments.checkpoint or shipped_checkpoint()))
    results = []
    try:
        for rate in arguments.rates:
            with rig.start() as node:
                results.append(soak(rig, node, rate, 60 * arguments.minutes))
    except TimeoutError as error:
        print(f"benchmarks.soak: {error}", file=sys.stderr)
        return 1
    finally:
        rig.close()
    rows = [each.summary() for each in results]
    content = [asdict(each) | {"summary": row} for each, row in zip(results, rows, strict=True)]
    write_text(arguments.out / "soak.json", json.dumps(content) + "\n")
    save_picture(arguments.out / "soak.png", results)
    table = Table("", *(f"{each.rate:g} Hz" for each in results))
    for name in rows[0]:
        table.add_row(name, *(f"{row[name]:.3g}" for row in rows))
    print_tables(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
