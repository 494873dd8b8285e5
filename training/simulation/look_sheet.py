"""Every look of a few scenes in one picture: `python -m training.simulation.look_sheet --out looks.png`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np
from PIL import Image

from framepred_ros.pictures import compose_row, resize_frame, save_picture, stack_rows
from training.simulation.scene_writer import Film, scene_appearance
from training.simulation.stage.appearance import LOOKS
from training.simulation.stage.kinematics import UnreachableError
from training.simulation.stage.opengl import RenderingError
from training.simulation.table.layout import draw_layout
from training.simulation.table.world import Snapshot, TableWorld

SIZE = (180, 240)  # pixels, height and width
SHOWN = tuple(look for look in LOOKS if look != "mixed")


def look_sheet(first_seed: int, scenes: int) -> Image.Image:
    """The first frames of `scenes` scenes from `first_seed` on, a row each. Raises RenderingError without OpenGL."""
    return stack_rows([_row(seed, moment) for seed, moment in islice(_starts(first_seed), scenes)])


def _starts(first_seed: int) -> Iterator[tuple[int, Snapshot]]:
    for seed in count(first_seed):
        try:
            yield seed, TableWorld(draw_layout(seed)).start
        except UnreachableError:  # an arm cannot wait where it was drawn: no scene has this seed
            continue


def _row(seed: int, moment: Snapshot) -> Image.Image:
    panels = tuple(resize_frame(_picture(seed, moment, look), SIZE) for look in SHOWN)
    return compose_row(panels, tuple(f"scene {seed}, {look}" for look in SHOWN))


def _picture(seed: int, moment: Snapshot, look: str) -> np.ndarray:
    film = Film(draw_layout(seed).spec(scene_appearance(seed, look)))
    try:
        return film.picture(moment)
    finally:
        film.close()


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.simulation.look_sheet", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("looks.png"))
    parser.add_argument("--scenes", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    try:
        save_picture(arguments.out, look_sheet(arguments.first_seed, arguments.scenes))
    except (RenderingError, ValueError) as error:
        print(f"look_sheet: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
