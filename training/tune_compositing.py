"""Choose how a checkpoint keeps the camera's pixels, on the episodes that its training validated on.

python -m training.tune_compositing --checkpoint DIR --dataset DIR --out DIR [--apply]

The test split is never looked at: what is chosen on it could not be measured on it any more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import framepred_ros  # noqa: F401  (before torch: it sets how OpenMP threads wait)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input, 130 interrupted."""
    args = _parse(arguments)
    try:
        _tune(args)
    except (ValueError, OSError) as error:
        print(f"tune_compositing: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tune_compositing: interrupted; nothing is changed", file=sys.stderr)
        return 130
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.tune_compositing", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--dataset", type=Path, required=True, help="the dataset that it was trained on")
    parser.add_argument("--out", type=Path, required=True, help="folder for compositing.json and compositing.png")
    parser.add_argument("--pairs", type=int, default=8, help="validation pairs per task (8)")
    parser.add_argument("--apply", action="store_true", help="write the choice into the checkpoint's framepred.json")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... or auto")
    return parser.parse_args(arguments)


def _tune(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from framepred_ros import FramePredictor
    from framepred_ros.files import write_text
    from framepred_ros.prediction.checkpoint import read_checkpoint_info, write_checkpoint_info
    from framepred_ros.prediction.compositing import Compositing
    from framepred_ros.tables import print_tables
    from training.runs.compositing_search import VALUES, best_of, plot_trials, search, validation_rows

    info = read_checkpoint_info(args.checkpoint)
    rows = validation_rows(info, args.dataset, args.pairs)
    model = FramePredictor.from_pretrained(args.checkpoint, device=args.device, engine="fast")
    with tqdm(desc="compositings", unit="trial", total=1 + sum(map(len, VALUES.values()))) as bar:
        trials = search(model, rows, info.compositing or Compositing(), lambda trial: bar.update())
    best = best_of(trials)
    print_tables(_table(trials[0], best, len(rows)))
    args.out.mkdir(parents=True, exist_ok=True)
    content = {"best": asdict(best.compositing), "trials": [asdict(trial) for trial in trials]}
    write_text(args.out / "compositing.json", json.dumps(content, indent=1) + "\n")
    plot_trials(trials, args.out / "compositing.png")
    if args.apply:
        write_checkpoint_info(args.checkpoint, replace(info, compositing=best.compositing))
        print(f"written into {args.checkpoint}")


def _table(first, best, pairs: int):
    from rich.table import Column, Table

    numbers = (Column(name, justify="right") for name in ("before", "best"))
    table = Table(Column(""), *numbers, title=f"on {pairs} validation pairs", title_justify="left")
    before, after = asdict(first.compositing), asdict(best.compositing)
    for name in before:
        table.add_row(name, f"{before[name]:g}", f"{after[name]:g}")
    table.add_section()
    table.add_row("SSIM", f"{first.ssim:.4f}", f"{best.ssim:.4f}")
    table.add_row("PSNR (dB)", f"{first.psnr:.2f}", f"{best.psnr:.2f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
