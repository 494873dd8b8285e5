"""Simulate robot episodes: the paper's three tasks, or scenes in which several instructions are possible.

`python -m training.simulate --out EPISODES --episodes 100`, `... --tasks table_scenes --look mixed`; docs/simulator.md.
"""

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from framepred_ros.tables import print_tables
from training.simulation.instructions import SEEN
from training.simulation.stage.appearance import LOOKS
from training.simulation.table import TASK_NAME as TABLE_SCENES

TASK_NAMES = tuple(SEEN)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.simulate", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the episodes (RoboTwin 1.0 layout)")
    parser.add_argument("--tasks", nargs="+", default=list(TASK_NAMES), choices=(*TASK_NAMES, TABLE_SCENES))
    parser.add_argument(
        "--episodes",
        type=int,
        default=100,
        help=f"successful episodes per task (paper: 100); {TABLE_SCENES}: scenes, each with 3 to 9 episodes",
    )
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    looks = parser.add_mutually_exclusive_group()
    looks.add_argument(
        "--look",
        choices=LOOKS,
        help="plain: the default; random: light, shadows, colours, textures, arms and camera vary; robotwin: near "
        "RoboTwin's own pictures; mixed: each episode or scene has one of the three",
    )
    looks.add_argument("--randomize", action="store_const", dest="look", const="random", help="--look random")
    parser.add_argument(
        "--held-out",
        action="store_true",
        help=f"{TABLE_SCENES}: also give the instructions that training never does, for a test set",
    )
    parser.add_argument(
        "--remove-block-at",
        type=float,
        metavar="FRACTION",
        help="take the block away after this fraction of each episode; the robot goes on as if it were there",
    )
    arguments = parser.parse_args(argv)
    arguments.look = arguments.look or "plain"
    if arguments.remove_block_at is not None and not 0 <= arguments.remove_block_at <= 1:
        parser.error(f"--remove-block-at must lie between 0 and 1, not {arguments.remove_block_at}")
    if arguments.tasks != [TABLE_SCENES] and arguments.held_out:
        parser.error(f"--held-out goes with {TABLE_SCENES} alone")
    if TABLE_SCENES in arguments.tasks and arguments.remove_block_at is not None:
        parser.error(f"--remove-block-at is for the tasks {', '.join(TASK_NAMES)}")
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    arguments = _arguments(argv)
    from training.simulation.campaign import run_campaign  # late: `--help` needs no MuJoCo

    total = arguments.episodes * len(arguments.tasks)
    frames = 0
    with tqdm(total=total, unit="episode", desc="simulating") as bar:

        def on_episode(task: str, seed: int, record) -> None:
            nonlocal frames
            if record is None:
                bar.write(f"{task}: seed {seed} failed, skipped")
                return
            frames += record.frames
            bar.update()
            bar.set_postfix(frames=frames)

        try:
            progress = run_campaign(
                arguments.out,
                arguments.tasks,
                arguments.episodes,
                arguments.first_seed,
                arguments.workers,
                arguments.look,
                on_episode,
                arguments.remove_block_at,
                arguments.held_out,
            )
        except (ValueError, RuntimeError) as error:
            print(f"training.simulate: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("training.simulate: interrupted; run again to continue", file=sys.stderr)
            return 130
    _print_tables(progress)
    return 0


def _print_tables(progress) -> None:
    from training.simulation.scene_success import success_table
    from training.simulation.seeds import progress_table

    rates = [done.success() for done in progress.values()]
    print_tables(progress_table(progress), *(success_table(each) for each in rates if each))


if __name__ == "__main__":
    sys.exit(main())
