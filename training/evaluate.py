"""Measure a checkpoint on a dataset: SSIM and PSNR of its predictions, beside copying and the autoencoder's ceiling.

python -m training.evaluate --checkpoint DIR --dataset DIR --split test --out DIR
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from training.dataset_index import DatasetManifest, Row, load_manifest, load_split
from training.evaluation.grid import write_grid
from training.evaluation.measure import Measurement, MeasureOptions, check_horizon, measure, predict_row
from training.evaluation.pair_data import draw_evenly
from training.evaluation.report import CAPTION, COLUMNS, environment, table_rows, write_results
from training.evaluation.scores import summarize


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input."""
    args = _parse(arguments)
    try:
        manifest = load_manifest(args.dataset)
        rows = draw_evenly(load_split(args.dataset, args.split), args.max_pairs)
        predictor = _load_predictor(args)
        check_horizon(predictor, manifest)
        options = MeasureOptions(args.steps, args.seed, args.batch_size, args.resolution)
        measurement = _measure(predictor, rows, options, args.workers)
        summary = summarize(measurement.scores)
        write_results(args.out, _facts(args, manifest, str(predictor.device)), summary, measurement)
        _write_grid(args.out / "grid.png", predictor, manifest, options, measurement)
    except (ValueError, OSError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    _report(summary, args.out)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True, help="checkpoint folder, or the hub id of one")
    parser.add_argument("--dataset", type=Path, required=True, help="folder written by training.build_dataset")
    parser.add_argument("--split", default="test", help="split of the dataset")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for results.json, results.md, grid.png, pairs.csv"
    )
    parser.add_argument("--max-pairs", type=int, help="pairs per task, evenly drawn (default: all)")
    parser.add_argument("--steps", type=int, help="sampling steps (default: the checkpoint's)")
    parser.add_argument("--seed", type=int, default=0, help="of the initial noise")
    parser.add_argument("--batch-size", type=_positive, default=8, help="frames predicted at once")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... or auto")
    parser.add_argument(
        "--resolution", type=_resolution, default="camera", help='"camera", or WIDTHxHEIGHT to resize all frames first'
    )
    cores = os.cpu_count() or 1
    parser.add_argument(
        "--workers", type=int, default=min(8, cores // 2), help="processes that compute scores; 0: none"
    )
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def _resolution(text: str) -> tuple[int, int] | None:
    """(width, height), or None for the camera's."""
    match = re.fullmatch(r"([0-9]+)x([0-9]+)", text)
    if text != "camera" and not match:
        raise argparse.ArgumentTypeError(f'{text!r} is neither "camera" nor WIDTHxHEIGHT')
    return (int(match[1]), int(match[2])) if match else None


def _load_predictor(args: argparse.Namespace):
    # Imported late: worker processes import this module and need no torch.
    from framepred_ros.predictor import FramePredictor

    return FramePredictor.from_pretrained(args.checkpoint, device=args.device)


def _measure(predictor, rows: list[Row], options: MeasureOptions, workers: int) -> Measurement:
    context = multiprocessing.get_context("spawn")  # a forked copy of a process that uses torch may deadlock
    with (
        ProcessPoolExecutor(workers, context) if workers > 0 else nullcontext() as pool,
        tqdm(total=len(rows), unit="pair", disable=None) as bar,
    ):
        return measure(predictor, rows, options, pool, bar.update)


def _facts(args: argparse.Namespace, manifest: DatasetManifest, device: str) -> dict[str, Any]:
    return {
        "checkpoint": str(args.checkpoint),
        "dataset": {
            "folder": str(args.dataset),
            "source": manifest.source,
            "horizon": manifest.horizon,
            "step_duration": manifest.step_duration,
            "split_seed": manifest.seed,
            "pairs": manifest.splits[args.split]["pairs"],
        },
        "split": args.split,
        "max_pairs_per_task": args.max_pairs,
        "resolution": list(args.resolution or manifest.image_size),
        "steps": args.steps,
        "seed": args.seed,
        "batch_size": args.batch_size,
        **environment(device),
    }


def _write_grid(
    path: Path, predictor, manifest: DatasetManifest, options: MeasureOptions, measurement: Measurement
) -> None:
    horizon = f"{manifest.horizon} steps ({manifest.horizon * manifest.step_duration:g} s)"
    write_grid(path, measurement.scores, lambda row: predict_row(predictor, row, options), horizon)


def _report(summary: dict[str, Any], out: Path) -> None:
    table = Table(caption=CAPTION, caption_justify="left")
    for index, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if index < 2 else "right", no_wrap=True)
    for row in table_rows(summary):
        table.add_row(*row, end_section=row[0].endswith("episodes"))
    console = Console()
    console.print(table)
    console.print(f"Written to {out}: results.json, results.md, grid.png, pairs.csv")


if __name__ == "__main__":
    sys.exit(main())
