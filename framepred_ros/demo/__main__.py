"""Play one episode per task to the predictor node and report how well it predicted."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from framepred_ros.demo.command import run_command
from framepred_ros.replay.episode_bag import SHIPPED_EPISODES, episodes_by_task

LIVE_TASKS = ("block_hammer_beat", "block_handover", "blocks_stack_easy")


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    """Read and check the command line; a wrong one ends the process with a line that says why."""
    parser = argparse.ArgumentParser(prog="demo.sh", description=__doc__)
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help="tasks to play (default: all)")
    parser.add_argument("--live", action="store_true", help="let the simulator be the camera, not recorded episodes")
    parser.add_argument("--seed", type=int, help="seed of the simulated episodes (with --live)")
    parser.add_argument(
        "--episodes",
        type=Path,
        default=SHIPPED_EPISODES,
        help="folder of bags, one per task (default: shipped)",
    )
    parser.add_argument("--checkpoint", type=Path, help="checkpoint folder (default: the one that ships)")
    parser.add_argument(
        "--output", type=Path, default=Path("demo_output"), help="folder to write (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    available = list(LIVE_TASKS if options.live else episodes_by_task(options.episodes))
    options.tasks = options.tasks or available
    if unknown := [task for task in options.tasks if task not in available]:
        parser.error(f"no episode of task {', '.join(unknown)}; there are: {', '.join(available) or 'none'}")
    if not options.tasks:
        parser.error(f"no episodes in {options.episodes}; use --live, or export some with training.export_bag")
    if options.seed is not None and not options.live:
        parser.error("--seed needs --live: a recorded episode has none")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit code."""
    options = parse_options(arguments)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    # Only now: it makes ROS contexts, and takes seconds.
    from framepred_ros.demo.run import run_demo

    run_demo(options)


if __name__ == "__main__":
    sys.exit(main())
