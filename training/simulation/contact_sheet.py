"""A picture of simulated scenes: per row one moment and what each instruction makes of it.

`python -m training.simulation.contact_sheet EPISODES --out scenes.png`: the first frame of a scene, then each twin's
frame 50 with its words; under it a row for every frame in mid-motion at which episodes turn off. `* ` marks
instructions that are kept for tests.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from framepred_ros.pictures import save_picture
from training.episodes.robotwin1 import DEFAULT_CAMERA, PickledFrames
from training.simulation.episode_folders import task_folder
from training.simulation.table import TASK_NAME

HORIZON = 50
WIDTH, HEIGHT, CAPTION = 240, 180, 34  # pixels of a picture and of the words under it


def contact_sheet(folder: Path, scenes: int, branches: bool = True, ahead: int = HORIZON) -> Image.Image:
    """The sheet of the first `scenes` scenes in a task's folder with its `scene_info.json`.

    Futures are `ahead` frames on, or the last frame where an episode is shorter. Raises FileNotFoundError where the
    simulation has not finished.
    """
    records = {int(number): record for number, record in json.loads((folder / "scene_info.json").read_text()).items()}
    rows = []
    for number in sorted({record["scene"]["number"] for record in records.values()})[:scenes]:
        scene = {k: record for k, record in records.items() if record["scene"]["number"] == number}
        rows += _rows(folder, scene, branches, ahead)
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (columns * WIDTH, len(rows) * (HEIGHT + CAPTION)), "white")
    for y, row in enumerate(rows):
        for x, (frame, caption) in enumerate(row):
            _paste(sheet, x * WIDTH, y * (HEIGHT + CAPTION), frame, caption)
    return sheet


def _rows(folder: Path, scene: dict[int, dict], branches: bool, ahead: int) -> list[list[tuple[np.ndarray, str]]]:
    twins = [number for number, record in scene.items() if record["scene"]["branch_of"] is None]
    title = f"scene {scene[twins[0]]['scene']['number']}"
    rows = [[(_frame(folder, twins[0], 0), title)] + [_future(folder, n, scene[n], ahead) for n in twins]]
    turns = defaultdict(list)
    for number, record in scene.items():
        if record["scene"]["branch_of"] is not None:
            turns[record["scene"]["branch_of"], record["scene"]["branch_frame"]].append(number)
    for (parent, frame), numbers in turns.items() if branches else ():
        row = [(_frame(folder, numbers[0], 0), f"episode {parent}, frame {frame}")]
        row.append(_future(folder, parent, scene[parent], frame + ahead))
        rows.append(row + [_future(folder, n, scene[n], ahead) for n in numbers])
    return rows


def _future(folder: Path, number: int, record: dict, index: int) -> tuple[np.ndarray, str]:
    """The frame with its words: the first phrasing, kept-back combinations marked."""
    mark = "* " if record["scene"]["held_out"] else ""
    return _frame(folder, number, min(index, record["frames"] - 1)), mark + record["instructions"]["seen"][0]


def _frame(folder: Path, number: int, index: int) -> np.ndarray:
    frames = PickledFrames(folder / f"episode{number}", index + 1, DEFAULT_CAMERA)
    return next(iter(frames.read([index])))


def _paste(sheet: Image.Image, x: int, y: int, frame: np.ndarray, caption: str) -> None:
    sheet.paste(Image.fromarray(frame).resize((WIDTH - 4, HEIGHT - 2)), (x + 2, y))
    lines = textwrap.wrap(caption, 38)[:2]
    ImageDraw.Draw(sheet).multiline_text((x + 4, y + HEIGHT), "\n".join(lines), "black", ImageFont.load_default(12))


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.simulation.contact_sheet", description=__doc__)
    parser.add_argument("episodes", type=Path, help="what training.simulate was given as --out")
    parser.add_argument("--out", type=Path, default=Path("scenes.png"))
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--no-branches", action="store_true", help="only the scenes' starts")
    parser.add_argument("--ahead", type=int, default=HORIZON, help="frames to the futures; 1000: how the episodes end")
    arguments = parser.parse_args(argv)
    try:
        folder = task_folder(arguments.episodes, TASK_NAME)
        sheet = contact_sheet(folder, arguments.scenes, not arguments.no_branches, arguments.ahead)
        save_picture(arguments.out, sheet)
    except FileNotFoundError as error:
        print(f"contact_sheet: {error.filename} is not there; let training.simulate finish first", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"contact_sheet: --out {arguments.out}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
