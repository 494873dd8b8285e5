"""Which instructions are possible on a table as it stands now, and which of them are kept for tests.

Reach, room and what the hands hold decide what is possible. Physics decides whether it then succeeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from training.simulation.stage import robot_model
from training.simulation.stage.poses import Pose
from training.simulation.table import words
from training.simulation.table.view import in_view

REACH = {"most": 0.67, "least": 0.25}  # horizontal metres from an arm's base to a hand that points down
PUSH = 0.13  # metres that a pushed block travels
PUSH_LEAD = 0.075  # metres between the fingers and the block's centre before a push
HALF = 0.025  # metres, half a block's edge
PUSH_MARGIN = 14  # pixels from a pushed block's middle to the picture's edge
SPREAD = 0.075  # metres around a block that an open hand needs free of other things
COLOURS = ("red", "green", "blue", "yellow", "purple", "black")

# Colours in a role that training never hears. Each colour is known from other verbs, each verb from other colours.
HELD_OUT = frozenset(
    {
        ("beat", "block", "purple"),
        ("stack", "top", "green"),
        ("stack", "bottom", "yellow"),
        ("place", "block", "blue"),
        ("place", "pad", "red"),
        ("lift", "block", "yellow"),
        ("push", "block", "black"),
    }
)


@dataclass(frozen=True)
class Instruction:
    """A verb with its roles; `arm` acts (None: both or neither), and `name_arm` says that the words must name it."""

    verb: str
    roles: tuple[tuple[str, str], ...] = ()
    arm: str | None = None
    name_arm: bool = False

    @property
    def role(self) -> dict[str, str]:
        """The roles as a dict, with the arm among them where the words must name it."""
        return {**dict(self.roles), **({"arm": self.arm} if self.name_arm else {})}

    @property
    def held_out(self) -> bool:
        """Whether this combination of verb, role and colour is kept for tests."""
        return any((self.verb, role, colour) in HELD_OUT for role, colour in self.roles)

    def phrasings(self) -> dict[str, list[str]]:
        """All its phrasings, `{"seen": [...], "unseen": [...]}`."""
        return words.phrasings(self.verb, dict(self.roles), self.arm, self.name_arm)


@dataclass(frozen=True)
class Situation:
    """The table now: poses of things (blocks by colour), what each hand holds by body name, arms that are away."""

    blocks: dict[str, Pose]
    pads: dict[str, np.ndarray]
    hammer: Pose | None
    box: Pose | None
    holding: dict[str, str] = field(default_factory=dict)
    away: tuple[str, ...] = ()

    def holder(self, body: str) -> str | None:
        """The arm that holds `body`, if any."""
        return next((side for side, name in self.holding.items() if name == body), None)

    def points(self) -> dict[str, np.ndarray]:
        """Places on the table (x, y) of all things that are not held, by body name."""
        places = {f"{colour}_block": pose.position[:2] for colour, pose in self.blocks.items()}
        for name, pose in (("hammer", self.hammer), ("box", self.box)):
            if pose is not None:
                places[name] = pose.position[:2]
        return {name: point for name, point in places.items() if self.holder(name) is None}


def possible(now: Situation) -> list[Instruction]:
    """All instructions that make sense now, in a fixed order. One whose arm must be named counts by itself."""
    blocks = [*_beats(now), *_stacks(now), *_places(now), *_lifts(now), *_pushes(now)]
    return blocks + [*_hand_overs(now), *([Instruction("home")] if now.away else []), Instruction("still")]


def reaches(side: str, point: np.ndarray) -> bool:
    """Whether the hand of `side`, pointing down, comes to the place (x, y) on the table."""
    base = np.array([robot_model.BASE_X * (1 if side == "right" else -1), robot_model.BASE_Y])
    return bool(REACH["least"] < np.linalg.norm(np.asarray(point)[:2] - base) < REACH["most"])


def _with_arms(now: Situation, verb: str, roles: dict[str, str], body: str, points: list) -> Iterator[Instruction]:
    """The instruction with each arm that can do it: the nearer one unnamed, the other only by name."""
    holder = now.holder(body)
    if holder is not None:
        arms = [holder] if all(reaches(holder, point) for point in points) else []
    else:
        free = [side for side in robot_model.SIDES if side not in now.holding]
        arms = [side for side in free if all(reaches(side, point) for point in points)]
    nearer = "right" if np.asarray(points[0])[0] > 0 else "left"
    for arm in arms:
        yield Instruction(verb, tuple(roles.items()), arm, name_arm=holder is None and arm != nearer)


def _on_table(now: Situation) -> dict[str, Pose]:
    """Blocks that stand on the table itself, upright, with nothing on top of them, and are not held."""
    found = {}
    for colour, pose in now.blocks.items():
        low = 0.755 < pose.position[2] < 0.78
        if now.holder(f"{colour}_block") or not low or _covered(now, colour):
            continue
        found[colour] = pose
    return found


def _covered(now: Situation, colour: str) -> bool:
    here = now.blocks[colour].position
    others = [pose.position for name, pose in now.blocks.items() if name != colour]
    return any(np.linalg.norm(other[:2] - here[:2]) < 0.045 and other[2] > here[2] for other in others)


def _free(now: Situation, point: np.ndarray, radius: float, *ignored: str) -> bool:
    """Whether nothing but the `ignored` bodies stands within `radius` metres of the place."""
    return all(
        np.linalg.norm(place - np.asarray(point)[:2]) >= radius
        for name, place in now.points().items()
        if name not in ignored
    )


def _movable(now: Situation) -> dict[str, Pose]:
    """Blocks that a hand can take or already holds."""
    held = {c: p for c, p in now.blocks.items() if now.holder(f"{c}_block")}
    return {**{c: p for c, p in _on_table(now).items() if _free(now, p.position, SPREAD, f"{c}_block")}, **held}


def _lifts(now: Situation) -> Iterator[Instruction]:
    for colour, pose in _movable(now).items():
        yield from _with_arms(now, "lift", {"block": colour}, f"{colour}_block", [pose.position])


def _stacks(now: Situation) -> Iterator[Instruction]:
    for top, pose in _movable(now).items():
        for bottom, base in _on_table(now).items():
            if top == bottom or not _free(now, base.position, SPREAD, f"{top}_block", f"{bottom}_block"):
                continue
            roles = {"top": top, "bottom": bottom}
            yield from _with_arms(now, "stack", roles, f"{top}_block", [pose.position, base.position])


def _places(now: Situation) -> Iterator[Instruction]:
    for colour, pose in _movable(now).items():
        for pad, point in now.pads.items():
            if (
                _free(now, point, SPREAD + 0.005, f"{colour}_block")
                and np.linalg.norm(pose.position[:2] - point) > 0.06
            ):
                roles = {"block": colour, "pad": pad}
                yield from _with_arms(now, "place", roles, f"{colour}_block", [pose.position, point])


def _beats(now: Situation) -> Iterator[Instruction]:
    if now.hammer is None:
        return
    for colour, pose in _on_table(now).items():
        # While the head is over the block, the hand is behind it by the length of the handle.
        hand = pose.position + now.hammer.rotation.apply([0.0, -0.125, 0.0])
        points = [now.hammer.position, hand]
        for instruction in _with_arms(now, "beat", {"block": colour}, "hammer", points):
            if _free(now, hand, 0.05, "hammer", f"{colour}_block", *_blocks(now)):
                yield instruction


def _blocks(now: Situation) -> list[str]:
    return [f"{colour}_block" for colour in now.blocks]


def _pushes(now: Situation) -> Iterator[Instruction]:
    for colour, pose in _on_table(now).items():
        body, here = f"{colour}_block", pose.position[:2]
        for side, sign in (("left", -1.0), ("right", 1.0)):
            start, end = here - [sign * PUSH_LEAD, 0], here + [sign * PUSH, 0]
            corridor = [here + [sign * way, 0] for way in np.linspace(0, PUSH + 0.02, 6)]
            clear = _free(now, start, 0.055, body) and all(_free(now, point, 0.075, body) for point in corridor)
            on_pad = any(np.abs(point - pad).max() < 0.09 for pad in now.pads.values() for point in (here, *corridor))
            if clear and not on_pad and in_view(np.array([*end, pose.position[2]]), PUSH_MARGIN):
                yield from _with_arms(now, "push", {"block": colour, "side": side}, body, [here, start, end])


def _hand_overs(now: Situation) -> Iterator[Instruction]:
    if now.box is None:
        return
    holder = now.holder("box")
    for giver, receiver in (("left", "right"), ("right", "left")):
        if holder not in (None, giver) or receiver in now.holding or now.holding.get(giver, "box") != "box":
            continue
        base = np.array([robot_model.BASE_X * (1 if giver == "right" else -1), robot_model.BASE_Y])
        if holder == giver or (now.box.position[2] < 0.86 and np.linalg.norm(now.box.position[:2] - base) < 0.80):
            yield Instruction("hand_over", (("from", giver), ("to", receiver)))
