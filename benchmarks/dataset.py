"""Frames per second and memory of building a dataset, beside the plain way of doing it, on the same episodes.

python -m benchmarks.dataset EPISODES --out DIR [--repeat 2] [--count 9]

EPISODES are RoboTwin 1.0 pickles of your own (the plain way unpickles them without a check). Every way runs as its own
process, in turns, on some of the episodes. Then more and more episodes, cut short, show whether memory grows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.figure import Figure
from rich.table import Table
from tqdm import tqdm

from benchmarks.dataset_runs import Run, run_command
from framepred_ros.pictures import save_figure
from framepred_ros.tables import print_tables
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
GROWTH = (2, 8, 32, 128)  # episodes
SHORT = 60  # frames; ten pairs each


@dataclass(frozen=True)
class Result:
    """The runs of one way on so many episodes and frames."""

    way: str
    episodes: int
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
            results = measure_ways(in_turns(episodes)[: args.count], Path(folder), args.repeat)
            growth = measure_growth(in_turns(episodes), Path(folder))
    except (EpisodeError, RuntimeError, OSError) as error:
        print(f"benchmarks.dataset: {error}", file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    _write(args.out, results, growth)
    _draw(args.out / "dataset.png", results, growth)
    _report([*results, *growth])
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dataset", description=__doc__.splitlines()[0])
    parser.add_argument("episodes", type=Path, help="folder of RoboTwin 1.0 episodes")
    parser.add_argument("--repeat", type=int, default=2, help="runs of each way (2)")
    parser.add_argument("--count", type=int, default=9, help="episodes that the ways are compared on (9)")
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
    return [Result(way, len(episodes), frames, of_way) for way, of_way in runs.items()]


def measure_growth(episodes: Sequence[Episode], folder: Path) -> list[Result]:
    """Builds more and more of the episodes, of each the beginning, as far as there are so many."""
    results = []
    for count in tqdm([count for count in GROWTH if count <= len(episodes)], unit="run"):
        chosen = episodes[:count]
        run = _build(WAYS["ours, 1 process"], link_episodes(chosen, folder / f"first{count}", SHORT), folder)
        frames = sum(min(len(episode), SHORT) for episode in chosen)
        results.append(Result("ours, 1 process, short episodes", count, frames, [run]))
    return results


def in_turns(episodes: Sequence[Episode]) -> list[Episode]:
    """The episodes in an order in which any number of the first ones has all tasks, equally often."""
    ranks: Counter[str] = Counter()
    ranked = []
    for episode in episodes:
        ranked.append((ranks[episode.task], episode.task, episode))
        ranks[episode.task] += 1
    return [episode for _, _, episode in sorted(ranked, key=lambda each: each[:2])]


def link_episodes(episodes: Sequence[Episode], target: Path, frames: int | None = None) -> Path:
    """A source of just these episodes, or of their first `frames` frames, as links to the files."""
    for episode in episodes:
        folder = target / episode.path.parent.name / episode.path.name
        folder.mkdir(parents=True)
        for name in (f"{index}.pkl" for index in range(len(episode))[:frames]):
            (folder / name).symlink_to((episode.path / name).resolve())
        for shared in (episode.path.parent / "scene_info.json", episode.path.parents[1] / "instructions"):
            link = (target if shared.name == "instructions" else folder.parent) / shared.name
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
    table = Table(title="building a dataset", title_justify="left")
    for column in ("way", "episodes", "frames", "frames/s", "seconds per run", "CPU ms per frame", "peak MiB"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for result in results:
        seconds = ", ".join(f"{run.seconds:.1f}" for run in result.runs)
        memory, cpu = f"{result.peak / 2**20:.0f}", f"{result.cpu_per_frame:.2f}"
        counts = str(result.episodes), f"{result.frames:,}"
        table.add_row(result.way, *counts, f"{result.rate:.0f}", seconds, cpu, memory)
    print_tables(table)


def _draw(path: Path, results: list[Result], growth: list[Result]) -> None:
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    *bars, line = figure.subplots(1, 4)
    names = [result.way for result in results]
    panels = {
        "frames per second, fastest run": [result.rate for result in results],
        "CPU milliseconds per frame": [result.cpu_per_frame for result in results],
        "peak MiB, all processes": [result.peak / 2**20 for result in results],
    }
    for axis, (title, values) in zip(bars, panels.items(), strict=True):
        axis.bar_label(axis.barh(names, values, color="tab:blue"), fmt="%.3g", padding=3)
        axis.set_title(title, fontsize=10)
        axis.margins(x=0.25)
        axis.invert_yaxis()
    for axis in bars[1:]:
        axis.set_yticklabels([])
    counts, peaks = [result.episodes for result in growth], [result.peak / 2**20 for result in growth]
    line.plot(counts, peaks, marker="o", color="tab:blue")
    line.set(xscale="log", xticks=counts, xticklabels=map(str, counts), xlabel="short episodes")
    line.set_ylim(0, 1.4 * max(peaks))
    line.minorticks_off()
    line.set_title("peak MiB, 1 process", fontsize=10)
    save_figure(figure, path)


if __name__ == "__main__":
    sys.exit(main())
