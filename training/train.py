"""Train a checkpoint from a dataset folder, as a recipe says.

python -m training.train --recipe training/recipes/small.yaml --dataset DIR --output DIR [--resume auto] [KEY=VALUE ...]

Works the same under `accelerate launch -m training.train ...` on several processes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import framepred_ros  # noqa: F401  (before torch: it sets how OpenMP threads wait)
from training.runs.command import make_parser, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status of `run_command`."""
    args = make_parser("train", __doc__.splitlines()[0]).parse_intermixed_args(arguments)

    def recipe():
        from training.trainer.recipe_file import read_recipe

        return read_recipe(args.recipe, args.overrides)

    return run_command("train", args, recipe)


if __name__ == "__main__":
    sys.exit(main())
