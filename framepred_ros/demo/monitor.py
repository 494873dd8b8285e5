"""Play normal episodes and one that goes wrong to the predictor node, and picture what its monitor says.

python -m framepred_ros.demo.monitor NORMAL_BAG [...] --disturbed BAG

The monitor learns its limits from the normal episodes, in the order given; docs/monitor.md says how to make the bags.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from framepred_ros.demo.command import run_command


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    """Read and check the command line; a wrong one ends the process with a line that says why."""
    parser = argparse.ArgumentParser(prog="python -m framepred_ros.demo.monitor", description=__doc__.splitlines()[0])
    parser.add_argument("normal", type=Path, nargs="+", help="bags of normal episodes, to learn from and to compare")
    parser.add_argument("--disturbed", type=Path, required=True, help="bag of the episode that goes wrong")
    parser.add_argument("--wrong-after", type=float, default=0.5, help="fraction of it that is normal (default: 0.5)")
    parser.add_argument("--learning", type=int, default=150, help="scores to learn from (default: %(default)s)")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint folder (default: the one that ships)")
    parser.add_argument("--output", type=Path, default=Path("demo_output/monitor"), help="folder to write")
    options = parser.parse_args(arguments)
    for bag in (*options.normal, options.disturbed):
        if not bag.exists():
            parser.error(f"no bag at {bag}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit code."""
    options = parse_options(arguments)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    # Only now: it makes ROS contexts, and takes seconds.
    from framepred_ros.demo.monitor_run import run_monitor_demo

    run_monitor_demo(options)


if __name__ == "__main__":
    sys.exit(main())
