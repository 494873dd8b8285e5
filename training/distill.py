"""Distil a checkpoint into one that predicts in 1 to 4 steps without guidance.

python -m training.distill --teacher CHECKPOINT --recipe training/recipes/distill.yaml --dataset DIR --output DIR \\
    [--resume auto] [KEY=VALUE ...]

A run like those of `training.train`; it works the same under `accelerate launch -m training.distill ...`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

import framepred_ros  # noqa: F401  (before torch: it sets how OpenMP threads wait)
from training.runs.command import make_parser, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status of `run_command`."""
    parser = make_parser("distill", __doc__.splitlines()[0])
    parser.add_argument("--teacher", required=True, help="checkpoint folder or hub id")
    parser.add_argument(
        "--force", action="store_true", help="distil a teacher that needs no more steps than the result"
    )
    args = parser.parse_intermixed_args(arguments)
    return run_command("distill", args, lambda: _read_recipe(args))


def _read_recipe(args: argparse.Namespace):
    """The recipe, with what it leaves to the teacher. Raises ValueError if the teacher is as fast as its student."""
    from framepred_ros.prediction.checkpoint import read_checkpoint_info
    from training.distillation.teacher import check_worth, overrides_from
    from training.trainer.recipe_file import read_recipe
    from training.trainer.weights import find_weights

    info = read_checkpoint_info(find_weights(args.teacher))
    recipe = read_recipe(args.recipe, [*overrides_from(args.teacher, info), *args.overrides])
    if recipe.model.kind != "distilled":
        raise ValueError(f"{args.recipe}: model.kind must be distilled, not {recipe.model.kind}; take training.train")
    if not args.force:
        check_worth(args.teacher, replace(info, **recipe.model.guidance()), recipe.model.steps)
    return recipe


if __name__ == "__main__":
    sys.exit(main())
