"""Frames per second and memory of building a dataset, beside the plain way of doing it, on the same episodes.

python -m benchmarks.dataset EPISODES --out DIR [--repeat 2]

EPISODES are RoboTwin 1.0 pickles of your own (the plain way unpickles them without a check). Every way runs as its own
process, in turns; a last pair of runs builds a quarter of the episodes and all of them, to see whether memory grows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from benchmarks.dataset_runs import Run, run_command
from training.episodes import Episode, EpisodeError, open_source
from training.evaluation.report import environment

PLAIN = "benchmarks.dataset_plain"
OURS = "training.build_dataset"
WAYS: dict[str, list[str]] = {
    "plain": [PLAIN],
    "ours, 1 process": [OURS],
    "ours, 2 workers": [OURS, "--workers", "2"],
    "ours, 1 process, --embed arrow": [OURS, "--embed", "arrow"],
}


@dataclass(frozen=True)
class Result:
    """The runs of one way on `frames` frames."""

    way: str
    frames: int
    runs: list[Run]

    @property
    def rate(self) -> float:
        """Frames per second of the fastest run: what the other work on the machine disturbed least."""
        return self.frames / min(run.seconds for run in self.runs)

    @property
    def cpu_per_frame(self) -> float:
        """Processor milliseconds per frame, of the fastest run, with starting Python and its libraries."""
        return 1e3 * min(run.cpu_seconds for run in self.runs) / self.frames

    @property
    def peak(self) -> int:
        """Bytes, of the run with the highest peak."""
        return max(run.peak for run in self.runs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input."""
    args = _parse(arguments)
    try:
        episodes = open_source(args.episodes, format_name="robotwin1").episodes
        with tempfile.TemporaryDirectory(prefix="dataset_benchmark_") as folder:
            results = measure_ways(episodes, Path(folder), args.repeat)
            growth = measure_growth(episodes, Path(folder))
    except (EpisodeError, RuntimeError, OSError) as error:
        print(f"benchmarks.dataset: {error}", file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    _write(args.out, results, growth)
    _draw(args.out / "dataset.png", [*results, *growth])
    _report([*results, *growth])
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dataset", description=__doc__.splitlines()[0])
    parser.add_argument("episodes", type=Path, help="folder of RoboTwin 1.0 episodes, eight or more")
    parser.add_argument("--repeat", type=int, default=2, help="runs of each way (2)")
    parser.add_argument("--out", type=Path, required=True, help="folder for dataset.json and dataset.png")
    return parser.parse_args(arguments)


def measure_ways(episodes: Sequence[Episode], folder: Path, repeat: int) -> list[Result]:
    """Runs all ways in turns, `repeat` times, after all files were read once."""
    source, frames = link_episodes(episodes, folder / "all"), sum(map(len, episodes))
    for path in source.rglob("*.pkl"):
        path.read_bytes()
    runs: dict[str, list[Run]] = {way: [] for way in WAYS}
    turns = [way for _ in range(repeat) for way in WAYS]
    for way in tqdm(turns, unit="run"):
        runs[way].append(_build(WAYS[way], source, folder))
    return [Result(way, frames, of_way) for way, of_way in runs.items()]


def measure_growth(episodes: Sequence[Episode], folder: Path) -> list[Result]:
    """Builds the first quarter of the episodes and four times as many."""
    quarter = max(1, len(episodes) // 4)
    results = []
    for count in (quarter, 4 * quarter):
        chosen = episodes[:count]
        source = link_episodes(chosen, folder / f"first{count}")
        run = _build(WAYS["ours, 1 process"], source, folder)
        results.append(Result(f"ours, 1 process, {count} episodes", sum(map(len, chosen)), [run]))
    return results


def link_episodes(episodes: Sequence[Episode], target: Path) -> Path:
    """A source of just these episodes, as links to their folders."""
    for episode in episodes:
        task_folder = target / episode.path.parent.name
        task_folder.mkdir(parents=True, exist_ok=True)
        (task_folder / episode.path.name).symlink_to(episode.path.resolve())
        for shared in (episode.path.parent / "scene_info.json", episode.path.parents[1] / "instructions"):
            link = (target if shared.name == "instructions" else task_folder) / shared.name
            if shared.exists() and not link.exists():
                link.symlink_to(shared.resolve())
    return target


def _build(way: list[str], source: Path, folder: Path) -> Run:
    out = folder / "out"
    run = run_command([sys.executable, "-m", way[0], str(source), "--out", str(out), *way[1:]], folder / "log")
    shutil.rmtree(out)
    return run


def _write(out: Path, results: list[Result], growth: list[Result]) -> None:
    numbers = {
        "environment": environment("cpu") | {"load_average": os.getloadavg()},
        "ways": [
            asdict(result) | {"frames_per_second": result.rate, "cpu_ms_per_frame": result.cpu_per_frame}
            for result in results
        ],
        "growth": [asdict(result) for result in growth],
    }
    (out / "dataset.json").write_text(json.dumps(numbers, indent=1) + "\n")


def _report(results: list[Result]) -> None:
    table = Table(title=f"building a dataset of {results[0].frames:,} frames", title_justify="left")
    for column in ("way", "frames/s", "seconds per run", "CPU ms per frame", "peak MiB"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for result in results:
        seconds = ", ".join(f"{run.seconds:.1f}" for run in result.runs)
        memory = f"{result.peak / 2**20:.0f}"
        table.add_row(result.way, f"{result.rate:.0f}", seconds, f"{result.cpu_per_frame:.2f}", memory)
    Console().print(table)


def _draw(path: Path, results: list[Result]) -> None:
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    names = [result.way for result in results]
    panels = {
        "frames per second, fastest run": [result.rate for result in results],
        "CPU milliseconds per frame": [result.cpu_per_frame for result in results],
        "peak MiB, all processes": [result.peak / 2**20 for result in results],
    }
    axes = figure.subplots(1, len(panels), sharey=True)
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        axis.bar_label(axis.barh(names, values, color="tab:blue"), fmt="%.3g", padding=3)
        axis.set_title(title, fontsize=10)
        axis.margins(x=0.25)
    axes[0].invert_yaxis()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    sys.exit(main())
