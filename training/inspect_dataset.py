"""Look at a dataset: numbers, pictures of random pairs and of their motion, and what may be wrong with it.

python -m training.inspect_dataset DIR [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from framepred_ros.files import write_text
from framepred_ros.tables import print_tables
from training.dataset.index import DatasetError, DatasetManifest, load_manifest, load_split
from training.dataset.report import counts_table
from training.inspection.checks import find_warnings, look_at_episodes
from training.inspection.motion import Motion, measure_motion
from training.inspection.pictures import draw_random, write_motion, write_pairs

_WARNINGS_SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done (also with warnings), 1 bad input."""
    args = _parse(arguments)
    out = args.out or args.dataset.absolute().with_name(f"{args.dataset.absolute().name}_inspection")
    try:
        manifest = load_manifest(args.dataset)
        motions, warnings = _inspect(manifest, args, out)
    except (DatasetError, ValueError, OSError) as error:
        print(f"inspect_dataset: {error}", file=sys.stderr)
        return 1
    _write_numbers(out / "numbers.json", manifest, motions, warnings)
    _report(manifest, motions, warnings)
    print(f"{out}: pairs.png, motion.png, numbers.json")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.inspect_dataset", description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path, metavar="DIR", help="folder that training.build_dataset wrote")
    parser.add_argument("--out", type=Path, help="folder for the results (default: DIR_inspection)")
    parser.add_argument("--pairs", type=int, default=3, help="random pairs per task in the picture (3)")
    parser.add_argument("--motion-pairs", type=int, default=300, help="pairs per task in the histogram (300)")
    parser.add_argument("--seed", type=int, default=0, help="of the random pairs (0)")
    return parser.parse_args(arguments)


def _inspect(manifest: DatasetManifest, args: argparse.Namespace, out: Path) -> tuple[list[Motion], list[str]]:
    rows_of_splits = {split: load_split(args.dataset, split) for split in manifest.splits}
    rows = [row for of_split in rows_of_splits.values() for row in of_split]
    out.mkdir(parents=True, exist_ok=True)
    write_pairs(out / "pairs.png", draw_random(rows, args.pairs, args.seed), manifest)
    with tqdm(total=args.motion_pairs * len(manifest.tasks), unit="pair", desc="motion", disable=None) as bar:
        motions = measure_motion(rows, args.motion_pairs, bar.update)
    write_motion(out / "motion.png", motions, manifest)
    with tqdm(total=len(manifest.episodes), unit="episode", desc="checks", disable=None) as bar:
        looks = look_at_episodes(rows_of_splits, bar.update)
    return motions, list(find_warnings(manifest, rows_of_splits, looks))


def _report(manifest: DatasetManifest, motions: list[Motion], warnings: list[str]) -> None:
    console = Console()
    table = Table(title="motion: mean |later - now| of a pair, levels of 255", title_justify="left")
    for column in ("task", "pairs", "p10", "median", "p90", "still"):
        table.add_column(column, justify="left" if column == "task" else "right")
    for motion in motions:
        quantiles = (f"{value:.1f}" for value in motion.quantiles().values())
        table.add_row(motion.task, str(len(motion.differences)), *quantiles, f"{motion.still:.0%}")
    print_tables(counts_table(manifest), table, console=console)
    for warning in warnings[:_WARNINGS_SHOWN]:
        console.print(f"[yellow]warning:[/] {warning}", highlight=False, soft_wrap=True)
    if len(warnings) > _WARNINGS_SHOWN:
        console.print(f"... and {len(warnings) - _WARNINGS_SHOWN} more warnings, see numbers.json")


def _write_numbers(path: Path, manifest: DatasetManifest, motions: list[Motion], warnings: list[str]) -> None:
    numbers: dict[str, Any] = {
        "splits": manifest.splits,
        "motion": {
            motion.task: {"pairs": len(motion.differences), "still": motion.still, **motion.quantiles()}
            for motion in motions
        },
        "warnings": warnings,
    }
    write_text(path, json.dumps(numbers, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
