"""Build a dataset of (frame i, instruction, frame i + horizon) pairs from robot episodes.

python -m training.build_dataset EPISODES --out DIR [--horizon 50] [--workers N]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from training.dataset_index import DatasetError, DatasetManifest
from training.dataset_plan import DatasetOptions
from training.dataset_writer import BuildResult, build_dataset
from training.episodes import Episode, EpisodeError, robotwin1


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input, 130 interrupted."""
    args = _parse(arguments)
    started = time.monotonic()
    try:
        options = DatasetOptions(args.horizon, args.stride, args.seed, args.test_fraction, args.jpeg_quality)
        episodes = robotwin1.find_episodes(args.episodes, args.camera)
        source = {"format": robotwin1.FORMAT_NAME, "camera": args.camera}
        result = _build(episodes, args.out, options, source, args.workers)
    except (EpisodeError, DatasetError, ValueError, OSError) as error:
        print(f"build_dataset: {error}", file=sys.stderr)
        return 1
    except BrokenProcessPool:
        print("build_dataset: a worker process died (out of memory?); run again to continue", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("build_dataset: interrupted; run again to continue", file=sys.stderr)
        return 130
    _report(result, args.out, time.monotonic() - started)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    defaults = DatasetOptions()
    parser = argparse.ArgumentParser(prog="python -m training.build_dataset", description=__doc__.splitlines()[0])
    parser.add_argument("episodes", type=Path, help="folder of RoboTwin 1.0 episodes (training.simulate writes one)")
    parser.add_argument("--out", type=Path, required=True, help="dataset folder; a second run adds what is missing")
    parser.add_argument("--horizon", type=int, default=defaults.horizon, help="steps between the two frames of a pair")
    parser.add_argument("--stride", type=int, default=defaults.stride, help="steps from one pair to the next")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="of the split and of the phrasings")
    parser.add_argument("--test-fraction", type=float, default=defaults.test_fraction, help="of each task's episodes")
    parser.add_argument("--jpeg-quality", type=int, default=defaults.jpeg_quality, help="1 to 100")
    parser.add_argument("--camera", default=robotwin1.DEFAULT_CAMERA, help="key of the camera in the episodes")
    parser.add_argument("--workers", type=int, default=1, help="processes that convert episodes")
    return parser.parse_args(arguments)


def _build(
    episodes: list[Episode], out: Path, options: DatasetOptions, source: dict[str, str], workers: int
) -> BuildResult:
    frames = sum(len(episode) for episode in episodes if len(episode) > options.horizon)
    with tqdm(total=frames, unit="frame", desc="frames", disable=None) as bar:
        return build_dataset(episodes, out, options, source, workers, lambda episode: bar.update(len(episode)))


def _report(result: BuildResult, out: Path, seconds: float) -> None:
    console, manifest = Console(), result.manifest
    if manifest.skipped:
        shortest = manifest.skipped[0]
        console.print(
            f"[yellow]warning:[/] {len(manifest.skipped)} episodes skipped, shorter than {manifest.horizon + 1} frames "
            f"(first: {shortest['task']} episode {shortest['number']} with {shortest['frames']})"
        )
    for task in manifest.tasks if 0 < manifest.test_fraction < 1 else []:
        if task not in manifest.splits.get("test", {"tasks": {}})["tasks"]:
            console.print(f"[yellow]warning:[/] {task} has a single episode, so none for testing")
    console.print(_table(manifest))
    if not result.converted:
        console.print(f"{out} is complete.")
        return
    origin = f"{result.converted} episodes converted, {result.resumed} resumed, {result.kept} kept"
    console.print(f"{out}: {origin} in {seconds:.0f} s.")


def _table(manifest: DatasetManifest) -> Table:
    seconds = manifest.horizon * manifest.step_duration
    title = f"pairs {manifest.horizon} steps ({seconds:g} s) apart, {manifest.image_size[0]}x{manifest.image_size[1]}"
    table = Table(title=title, title_justify="left")
    for column in ("task", "split", "episodes", "frames", "pairs"):
        table.add_column(column, justify="left" if column in ("task", "split") else "right")
    for task in [*manifest.tasks, "all"]:
        for split, counts in sorted(manifest.splits.items(), reverse=True):
            count = counts if task == "all" else counts["tasks"].get(task)
            if count:
                table.add_row(task, split, *(f"{count[key]:,}" for key in ("episodes", "frames", "pairs")))
    return table


if __name__ == "__main__":
    sys.exit(main())
