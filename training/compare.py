"""Compare several predictors on the same pairs: tables, curves, pictures and a report to browse.

python -m training.compare training/studies/small.yaml --out DIR

Works the same under `accelerate launch -m training.compare ...` on several processes. Scores are kept in OUT/scores as
they are made: the same command goes on where an interrupted one stopped, and measures only what has changed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import framepred_ros  # noqa: F401  (before torch: it sets how OpenMP threads wait)
from training.evaluation.arguments import positive


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input, 130 interrupted."""
    args = _parse(arguments)
    from training.evaluation.comparison import compare  # torch takes seconds: only once the arguments are good
    from training.evaluation.study import read_study

    try:
        study = read_study(args.study, args.dataset, args.max_pairs)
        compare(study, args.out, args.device)
    except (ValueError, OSError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("compare: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.compare", description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, help="YAML file; training/studies holds ours")
    parser.add_argument("--out", type=Path, required=True, help="folder for report.html, results.*, pictures, scores/")
    parser.add_argument("--dataset", type=Path, help="replaces the study's")
    parser.add_argument("--max-pairs", type=positive, help="pairs per task, in place of the study's")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... or auto")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
