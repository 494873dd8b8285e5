"""What stands on the table: drawn from the scene's seed alone, whatever is done or looked at afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.simulation.stage.appearance import Appearance
from training.simulation.stage.poses import Pose, yaw
from training.simulation.stage.scene import TABLE_TOP, SceneObject, SceneSpec
from training.simulation.table.instruction import COLOURS, HALF, reaches
from training.simulation.table.view import in_view, pixel
from training.simulation.tasks.base import GRIPPER_DOWN
from training.simulation.tasks.block_hammer_beat import HAMMER_GEOMS

RGB = {
    "red": (0.90, 0.03, 0.03),
    "green": (0.04, 0.58, 0.12),
    "blue": (0.05, 0.10, 0.90),
    "yellow": (0.98, 0.80, 0.02),
    "purple": (0.52, 0.08, 0.62),
    "black": (0.04, 0.04, 0.04),
}
BOX_HALF = np.array([0.03, 0.03, 0.1])
PAD_HALF, PAD_HEIGHT = 0.045, 0.006
VIEW_MARGIN = 24  # pixels from a thing's middle to the picture's edge
CLEAR_VIEW = 45  # pixels from a waiting hand to a block
_ATTEMPTS = 60


class _NoRoomError(Exception):
    """The drawn things do not fit on the table."""


@dataclass(frozen=True)
class Layout:
    """The drawn things with their poses, and the arms that do not start at home (flange poses)."""

    blocks: dict[str, Pose]
    pads: dict[str, np.ndarray]
    hammer: Pose | None
    box: Pose | None
    box_colour: str
    starts: dict[str, Pose]

    def spec(self, appearance: Appearance) -> SceneSpec:
        """The scene as MJCF parts; free bodies are `{colour}_block`, `hammer` and `box`."""
        objects = [_block(colour, pose) for colour, pose in self.blocks.items()]
        if self.hammer is not None:
            objects.append(_object("hammer", HAMMER_GEOMS, self.hammer))
        if self.box is not None:
            size = " ".join(map(str, BOX_HALF))
            geom = f'<geom name="box" type="box" size="{size}" material="paint_{self.box_colour}" mass="0.1"/>'
            objects.append(_object("box", geom, self.box))
        glow = f'emission="{appearance.glow}" ' if appearance.glow else ""
        paints = "".join(
            f'<material name="paint_{colour}" rgba="{r} {g} {b} 1" specular="0.2" shininess="0.2" {glow}/>'
            for colour, (r, g, b) in RGB.items()
        )
        pads = "".join(_pad_xml(colour, point) for colour, point in self.pads.items())
        return SceneSpec(tuple(objects), pads, paints, appearance, plain_geometry=True)


def _object(name: str, geoms: str, pose: Pose) -> SceneObject:
    return SceneObject(name, geoms, tuple(map(float, pose.position)), tuple(map(float, pose.quaternion)))


def _block(colour: str, pose: Pose) -> SceneObject:
    geom = f'<geom name="{colour}_block" type="box" size="{HALF} {HALF} {HALF}" material="paint_{colour}" mass="0.04"/>'
    return _object(f"{colour}_block", geom, pose)


def _pad_xml(colour: str, point: np.ndarray) -> str:
    half = PAD_HEIGHT / 2
    return (
        f'<geom name="{colour}_pad" type="box" size="{PAD_HALF} {PAD_HALF} {half}" '
        f'pos="{point[0]} {point[1]} {TABLE_TOP + half}" material="paint_{colour}"/>'
    )


def draw_layout(seed: int) -> Layout:
    """The scene of `seed`: two to four blocks, perhaps a hammer, a box, one or two pads, and arms that are away."""
    rng = np.random.default_rng([seed, 1000])
    while True:
        try:
            return _draw(rng)
        except _NoRoomError:
            continue


def _draw(rng: np.random.Generator) -> Layout:
    colours = [str(c) for c in rng.permutation(COLOURS)]
    blocks, pads = int(rng.integers(2, 5)), int(rng.choice([0, 1, 2], p=[0.2, 0.4, 0.4]))
    with_hammer, with_box = bool(rng.random() < 0.65), bool(rng.random() < 0.55)
    taken: list[tuple[np.ndarray, float]] = []
    box = _draw_box(rng, taken) if with_box else None
    hammer = _draw_hammer(rng, taken) if with_hammer else None
    pad_colours = [str(c) for c in rng.permutation(COLOURS)[:pads]]
    pad_points = {c: _spot(rng, taken, 0.066, (0.25, -0.16, 0.07)) for c in pad_colours}
    poses = {}
    for colour in colours[:blocks]:
        point = _spot(rng, taken, 0.055, (0.27, -0.17, 0.1))
        poses[colour] = Pose(np.array([*point, TABLE_TOP + HALF + 0.001]), yaw(rng.uniform(-np.pi / 4, np.pi / 4)))
    return Layout(poses, pad_points, hammer, box, colours[blocks], _draw_starts(rng, poses))


def _spot(rng: np.random.Generator, taken: list, radius: float, area: tuple[float, float, float]) -> np.ndarray:
    """A free place (x, y) for a thing of that radius; area: widest |x|, least and greatest y."""
    for _ in range(_ATTEMPTS):
        point = np.array([rng.uniform(-area[0], area[0]), rng.uniform(area[1], area[2])])
        seen = in_view(np.array([*point, TABLE_TOP + HALF]), VIEW_MARGIN)
        if seen and all(np.linalg.norm(point - other) >= radius + its_radius for other, its_radius in taken):
            taken.append((point, radius))
            return point
    raise _NoRoomError


def _draw_box(rng: np.random.Generator, taken: list) -> Pose:
    point = _spot(rng, taken, 0.075, (0.14, 0.09, 0.15))
    # An eighth of a turn, so that both hands, each coming from its own side, meet two of its faces squarely.
    return Pose(np.array([*point, TABLE_TOP + BOX_HALF[2] + 0.001]), yaw(np.pi / 4 + rng.uniform(-0.12, 0.12)))


def _draw_hammer(rng: np.random.Generator, taken: list) -> Pose:
    for _ in range(_ATTEMPTS):
        point, turn = np.array([rng.uniform(-0.12, 0.12), rng.uniform(-0.1, 0.0)]), yaw(rng.uniform(-0.35, 0.35))
        spots = [point + turn.apply([0.0, along, 0.0])[:2] for along in (-0.065, 0.0, 0.075)]
        if all(np.linalg.norm(spot - other) >= 0.04 + its_radius for spot in spots for other, its_radius in taken):
            taken += [(spot, 0.04) for spot in spots]
            return Pose(np.array([*point, 0.7835]), turn)
    raise _NoRoomError


def _draw_starts(rng: np.random.Generator, blocks: dict[str, Pose]) -> dict[str, Pose]:
    """Arms that wait over the table, hiding no block, instead of at home: then "go home" is a motion of its own."""
    starts = {}
    for side, sign in (("left", -1), ("right", 1)):
        if rng.random() > 0.4:
            continue
        for _ in range(_ATTEMPTS):
            position = np.array([sign * rng.uniform(0.12, 0.27), rng.uniform(-0.22, 0.0), rng.uniform(1.0, 1.06)])
            # From above, wrist and fingers of a hand that points down lie around its flange in the picture.
            hand = [pixel(position - [0, 0, down]) for down in (-0.07, 0.0, 0.07, 0.13)]
            hidden = [np.linalg.norm(pixel(pose.position) - part) for pose in blocks.values() for part in hand]
            if min(hidden) > CLEAR_VIEW and reaches(side, position):
                turn = yaw(rng.uniform(-0.5, 0.5))
                starts[side] = Pose(position, turn * Pose.of((0, 0, 0), GRIPPER_DOWN).rotation)
                break
    return starts
