"""Episodes in which several instructions are possible in one scene, in the layout of `training.simulate`.

Two squares on a table are pushed, lifted or left alone. Twins start from the same frame, branches from one of another
episode.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from robotwin_files import dumps, frame_content

from training.episodes.scene import Scene

TASK = "table"
SIDE = 64  # pixels, of the pictures
STEP = 2  # pixels a frame
_COLOURS = {"red": (220, 30, 30), "blue": (30, 60, 220)}
_MOVES = {"left": (0, -STEP), "right": (0, STEP), "up": (-STEP, 0)}


@dataclass(frozen=True)
class Told:
    """An instruction that is possible in every scene, and the move (rows, columns a frame) that follows from it."""

    verb: str
    words: str
    roles: dict[str, str] = field(default_factory=dict)
    move: tuple[int, int] = (0, 0)


PUSH_LEFT = Told("push", "push the red block to the left", {"block": "red", "side": "left"}, _MOVES["left"])
PUSH_RIGHT = Told("push", "push the red block to the right", {"block": "red", "side": "right"}, _MOVES["right"])
LIFT_RED = Told("lift", "lift the red block", {"block": "red"}, _MOVES["up"])
LIFT_BLUE = Told("lift", "lift the blue block", {"block": "blue"}, _MOVES["up"])
STILL = Told("still", "stay still")
HOME = Told("home", "go home")  # looks like staying still: the arms, of which there are none, are at home

TWINS = (PUSH_LEFT, PUSH_RIGHT, LIFT_BLUE, STILL)


def write_scenes(
    root: Path, scenes: int, twins=TWINS, frames: int = 14, held_out=(), branch_frame: int | None = None
) -> Path:
    """Writes `scenes` scenes with an episode for each of `twins`, numbered on; returns `root`.

    Args:
        held_out: those of `twins` that are kept for tests.
        branch_frame: from this frame of each scene's first twin an episode branches off that does as the third is told.
    """
    folder = root / f"{TASK}_D435_pkl"
    infos = {}
    for number in range(scenes):
        start = _start(number)
        first = len(infos)
        for told in twins:
            scene = Scene(number, told.verb, told.roles, told in held_out)
            infos[len(infos)] = _write(folder / f"episode{len(infos)}", start, told, frames, scene)
        if branch_frame is not None:
            told = twins[2]
            scene = Scene(number, told.verb, told.roles, told in held_out, first, branch_frame)
            state = _moved(start, twins[0], branch_frame)
            infos[len(infos)] = _write(folder / f"episode{len(infos)}", state, told, frames, scene)
    (folder / "scene_info.json").write_text(json.dumps(infos))
    return root


def _start(number: int) -> dict:
    random = np.random.default_rng(number)
    columns = random.permutation([24, 40]) + random.integers(-3, 4, 2)
    rows = random.integers(30, 48, 2)
    places = dict(zip(_COLOURS, zip(rows.tolist(), columns.tolist(), strict=True), strict=True))
    return {"background": random.integers(90, 200, 3), "places": places}


def _moved(state: dict, told: Told, frames: int) -> dict:
    colour = told.roles.get("block", "red")
    place = tuple(int(a + b * frames) for a, b in zip(state["places"][colour], told.move, strict=True))
    return {**state, "places": {**state["places"], colour: place}}


def _draw(state: dict) -> np.ndarray:
    picture = np.full((SIDE, SIDE, 3), state["background"], np.uint8)
    for colour, (row, column) in state["places"].items():
        picture[max(0, row - 5) : max(0, row + 5), max(0, column - 5) : max(0, column + 5)] = _COLOURS[colour]
    return picture


def _write(folder: Path, start: dict, told: Told, frames: int, scene: Scene) -> dict:
    folder.mkdir(parents=True)
    for frame in range(frames):
        (folder / f"{frame}.pkl").write_bytes(dumps(frame_content(_draw(_moved(start, told, frame)))))
    phrasings = {"seen": [told.words, f"please {told.words}"], "unseen": [f"now {told.words}"]}
    return {"seed": 0, "frames": frames, "randomized": False, "instructions": phrasings, "scene": asdict(scene)}
