"""What the commands that train have in common: options, errors of one line, exit statuses."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.trainer.recipe import Recipe


def make_parser(name: str, description: str) -> argparse.ArgumentParser:
    """The parser of `python -m training.{name}`; read its arguments with `parse_intermixed_args`."""
    parser = argparse.ArgumentParser(prog=f"python -m training.{name}", description=description)
    parser.add_argument("--recipe", type=Path, required=True, help="YAML file; training/recipes holds ours")
    parser.add_argument("--dataset", type=Path, required=True, help="folder that training.build_dataset wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder for state, logs, pictures and checkpoint/")
    parser.add_argument("--resume", choices=("never", "auto"), default="never", help="auto continues a stopped run")
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto", help="auto takes a GPU when there is one")
    parser.add_argument("--dry-run", action="store_true", help="print length and memory of the run, and stop there")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as optimization.max_steps=2000")
    return parser


def run_command(name: str, args: argparse.Namespace, make_recipe: Callable[[], Recipe]) -> int:
    """Trains as the arguments say; returns the exit status: 0 done, 1 bad input or a run that cannot go on, 130
    interrupted.

    Args:
        make_recipe: reads the recipe; its ValueError or OSError is bad input.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    _quiet_libraries()
    from training.runs.session import run
    from training.trainer.run_log import DivergedError  # torch and diffusers take seconds: once the arguments are good

    try:
        run(make_recipe(), args.dataset, args.output, args.resume == "auto", args.device, args.dry_run)
    except (ValueError, OSError, DivergedError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        print(f"{name}: {_out_of_memory(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted; --resume auto continues from the last saved state", file=sys.stderr)
        return 130
    return 0


def _is_out_of_memory(error: RuntimeError) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _out_of_memory(error: RuntimeError) -> str:
    return (
        f"out of memory: {str(error).splitlines()[0]}. The saved states are good. Halve optimization.batch_size and "
        "double optimization.gradient_accumulation, or say run.gradient_checkpointing=true; --dry-run estimates what "
        "is needed"
    )


def _quiet_libraries() -> None:
    """Silences the libraries' progress bars and notes, which say nothing that a user could act on."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    warnings.filterwarnings("ignore", message="Dynamo detected a call to a `functools.lru_cache`")
