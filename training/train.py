"""Train the small checkpoint from a dataset folder.

python -m training.train --recipe training/recipes/small.yaml --dataset DIR --output DIR [--resume auto] [KEY=VALUE ...]

Works the same under `accelerate launch -m training.train ...` on several processes.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import framepred_ros  # noqa: F401  (before torch: it sets how OpenMP threads wait)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input, 130 interrupted."""
    args = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    _quiet_libraries()
    from training.small.recipe import read_recipe  # torch and diffusers take seconds: only once the arguments are good
    from training.small.session import run

    try:
        run(read_recipe(args.recipe, args.overrides), args.dataset, args.output, args.resume == "auto", args.device)
    except (ValueError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("train: interrupted; --resume auto continues from the last saved state", file=sys.stderr)
        return 130
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", type=Path, required=True, help="YAML file; training/recipes holds ours")
    parser.add_argument("--dataset", type=Path, required=True, help="folder that training.build_dataset wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder for state, logs, pictures and checkpoint/")
    parser.add_argument("--resume", choices=("never", "auto"), default="never", help="auto continues a stopped run")
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto", help="auto takes a GPU when there is one")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as optimization.max_steps=2000")
    return parser.parse_args(arguments)


def _quiet_libraries() -> None:
    """Leaves the terminal to our own progress: the libraries' bars and notes say nothing a user could act on."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    warnings.filterwarnings("ignore", message="Dynamo detected a call to a `functools.lru_cache`")


if __name__ == "__main__":
    sys.exit(main())
