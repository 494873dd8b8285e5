"""Record Meta-World's scripted policies as episodes, in the layout of our own simulator.

`python -m training.record_metaworld --out EPISODES --episodes 16`; docs/simulator.md. Build the dataset with
`--horizon 25`: a frame lasts 0.0125 s, an episode some 70 to 120 of them.
"""

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from framepred_ros.tables import print_tables
from training.metaworld.instructions import DEFAULT_TASKS, TASKS
from training.metaworld.recording import CAMERAS


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.record_metaworld", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the episodes (RoboTwin 1.0 layout)")
    parser.add_argument(
        "--tasks", nargs="+", default=list(DEFAULT_TASKS), choices=TASKS, metavar="TASK", help=f"of {', '.join(TASKS)}"
    )
    parser.add_argument("--episodes", type=int, default=16, help="successful episodes per task")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--camera", choices=tuple(CAMERAS), default="corner4")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args(argv)
    for name in ("episodes", "workers"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(arguments, name)}")
    if arguments.first_seed < 0:
        parser.error(f"--first-seed must be at least 0, not {arguments.first_seed}")
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input or nothing to record with, 130 interrupted."""
    arguments = _arguments(argv)
    from training.metaworld.campaign import record_tasks
    from training.simulation.seeds import progress_table

    with tqdm(total=arguments.episodes * len(arguments.tasks), unit="episode", desc="recording", disable=None) as bar:

        def on_episode(task: str, seed: int, record) -> None:
            if record is None:
                bar.write(f"{task}: seed {seed} failed, skipped")
            else:
                bar.update()

        try:
            progress = record_tasks(
                arguments.out,
                arguments.tasks,
                arguments.episodes,
                arguments.first_seed,
                arguments.workers,
                arguments.camera,
                on_episode,
            )
        except (ValueError, RuntimeError) as error:
            bar.close()
            print(f"record_metaworld: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            bar.close()
            print("record_metaworld: interrupted; run again to continue", file=sys.stderr)
            return 130
    print_tables(progress_table(progress))
    return 0


if __name__ == "__main__":
    sys.exit(main())
