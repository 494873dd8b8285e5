"""How the robot carries out an instruction, from the start of a scene or from the middle of another motion."""

from __future__ import annotations

import numpy as np

from training.simulation.stage.poses import Pose, yaw
from training.simulation.stage.robot_model import FINGER_OPEN, SIDES
from training.simulation.stage.world import HOME
from training.simulation.table.instruction import HALF, PUSH, PUSH_LEAD, Instruction
from training.simulation.table.layout import PAD_HEIGHT
from training.simulation.table.world import TableWorld
from training.simulation.tasks.base import GRIPPER_DOWN, other
from training.simulation.tasks.block_hammer_beat import GRIP_OFFSET, HEAD_HALF_HEIGHT, HEAD_OFFSET

SECONDS_PER_METRE, SHORTEST = 2.2, 0.5  # brisk: after 50 frames (3 s) a thing is in the hand and on its way
ABOVE, AT = 0.21, 0.15  # metres from a block's centre to the flange before and at a grasp
CARRY = 1.03  # metres, flange height at which a block in the hand passes over everything but the box
CLOSED = {"block": 0.021, "hammer": 0.008, "box": 0.026}  # metres per finger
PUSHING = 0.018  # metres per finger: two fingertips against one face keep the block from turning
CENTRE_LINE = 0.12  # metres: an idle hand that is nearer to the other arm's side goes home
ELBOW_ROOM = 0.24  # metres: an idle hand that is nearer to the other arm's place of work goes home
DOWN = Pose.of((0, 0, 0), GRIPPER_DOWN).rotation
POINTING_RIGHT, POINTING_LEFT = (1, 0, 0, 0), (0, 0, 0, 1)


def carry_out(world: TableWorld, instruction: Instruction) -> None:
    """Do what the instruction says. Raises GraspError or UnreachableError where it cannot be done."""
    _SKILLS[instruction.verb](world, instruction)


def strike_face(hammer: Pose) -> np.ndarray:
    """Middle of the hammer's striking face, metres."""
    return hammer.position + hammer.rotation.apply(HEAD_OFFSET - [0, 0, HEAD_HALF_HEIGHT])


def _go(world: TableWorld, slower: float = 1.0, **targets: Pose) -> None:
    """Move the named arms together, for a time that grows with the longest way."""
    way = max(float(np.linalg.norm(pose.position - world.flange(side).position)) for side, pose in targets.items())
    world.move(targets, slower * max(SHORTEST, SHORTEST / 2 + way * SECONDS_PER_METRE))


def _idle_home(world: TableWorld, arm: str, places: list[np.ndarray]) -> dict[str, Pose]:
    """The other arm's way home, if it is in the way of `arm` working at `places`."""
    idle = other(arm)
    hand = world.flange(idle).position
    inwards = hand[0] * (1 if idle == "right" else -1)
    near = any(np.linalg.norm(hand[:2] - place[:2]) < ELBOW_ROOM for place in places)
    return {idle: HOME[idle]} if near or (inwards < CENTRE_LINE and hand[1] > -0.3) else {}


def _free_hand(world: TableWorld, arm: str, opening: float = FINGER_OPEN) -> None:
    """Open an empty hand and draw it back from between things, if it is there."""
    if arm in world.holding():
        return
    if world.gripper_targets[arm] != opening:
        world.grip({arm: opening})
    flange = world.flange(arm)
    approach = flange.rotation.apply([1.0, 0.0, 0.0])
    if flange.position[2] < 0.95 and approach[2] < -0.9:
        _go(world, **{arm: flange.moved((0, 0, 0.96 - flange.position[2]))})
    elif approach[2] > -0.5 and flange.position[1] > -0.2:  # reaching for the box from the side
        _go(world, **{arm: flange.moved(-0.1 * approach)})


def _folded(pose: Pose) -> float:
    """A block's yaw in radians, within an eighth turn of zero: a cube looks the same every quarter turn."""
    ahead = pose.rotation.apply([1.0, 0.0, 0.0])
    return float((np.arctan2(ahead[1], ahead[0]) + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def _pick_block(world: TableWorld, arm: str, colour: str, *places: np.ndarray) -> None:
    """Take the block and raise it to carrying height; a block that is already in the hand is only raised."""
    name = f"{colour}_block"
    block = world.body_pose(name)
    aside = _idle_home(world, arm, [block.position, *places])
    if world.holding().get(arm) != name:
        _free_hand(world, arm)
        above = Pose(block.position + [0, 0, ABOVE], yaw(_folded(block)) * DOWN)
        _go(world, **{arm: above}, **aside)
        aside = {}
        _go(world, **{arm: above.moved((0, 0, AT - ABOVE))})
        world.grip({arm: CLOSED["block"]}, holds={arm: name})
    flange = world.flange(arm)
    if CARRY - flange.position[2] > 0.005 or aside:
        _go(world, **{arm: flange.moved((0, 0, max(0.0, CARRY - flange.position[2])))}, **aside)


def _set_down(world: TableWorld, arm: str, colour: str, goal: np.ndarray, turn: float) -> None:
    """Bring the held block's centre to `goal` from above, its edges at `turn` radians, and let go."""
    block, flange = world.body_pose(f"{colour}_block"), world.actual_flange(arm)
    in_hand = flange.rotation.inv().apply(block.position - flange.position)
    rotation = yaw(turn) * DOWN
    at = Pose(goal - rotation.apply(in_hand), rotation)
    _go(world, **{arm: Pose(np.array([*at.position[:2], max(CARRY, at.position[2] + 0.06)]), rotation)})
    _go(world, **{arm: at})
    world.grip({arm: FINGER_OPEN})
    _go(world, **{arm: at.moved((0, 0, 0.1))})


def _lift(world: TableWorld, instruction: Instruction) -> None:
    _pick_block(world, instruction.arm, instruction.role["block"])


def _stack(world: TableWorld, instruction: Instruction) -> None:
    roles, arm = instruction.role, instruction.arm
    bottom = f"{roles['bottom']}_block"
    _pick_block(world, arm, roles["top"], world.body_pose(bottom).position)
    base = world.body_pose(bottom)
    _set_down(world, arm, roles["top"], base.position + [0, 0, 2 * HALF + 0.002], _folded(base))


def _place(world: TableWorld, instruction: Instruction) -> None:
    roles, arm = instruction.role, instruction.arm
    pad = np.array([*world.layout.pads[roles["pad"]], 0.74 + PAD_HEIGHT + HALF + 0.002])
    _pick_block(world, arm, roles["block"], pad)
    _set_down(world, arm, roles["block"], pad, 0.0)


def _push(world: TableWorld, instruction: Instruction) -> None:
    roles, arm = instruction.role, instruction.arm
    sign = 1.0 if roles["side"] == "right" else -1.0
    block = world.body_pose(f"{roles['block']}_block").position
    aside = _idle_home(world, arm, [block])
    _free_hand(world, arm, PUSHING)
    across = yaw(np.pi / 2 if world.flange(arm).position[0] < block[0] else -np.pi / 2) * DOWN
    low = Pose(np.array([block[0] - sign * PUSH_LEAD, block[1], block[2] + 0.14]), across)
    _go(world, **{arm: low.moved((0, 0, 0.07))}, **aside)
    _go(world, **{arm: low})
    _go(world, slower=1.2, **{arm: low.moved((sign * (PUSH_LEAD + PUSH - HALF - 0.011), 0, 0))})
    _go(world, **{arm: world.flange(arm).moved((-sign * 0.01, 0, 0.1))})


def _beat(world: TableWorld, instruction: Instruction) -> None:
    roles, arm = instruction.role, instruction.arm
    target = f"{roles['block']}_block"
    aside = _idle_home(world, arm, [world.body_pose("hammer").position, world.body_pose(target).position])
    if world.holding().get(arm) != "hammer":
        _free_hand(world, arm)
        hammer = world.body_pose("hammer")
        ahead = hammer.rotation.apply([0.0, 1.0, 0.0])
        turn = yaw(np.arctan2(-ahead[0], ahead[1]))
        grip = hammer.position + turn.apply(GRIP_OFFSET)
        _go(world, **{arm: Pose(grip + [0, 0, 0.2], turn * DOWN)}, **aside)
        _go(world, **{arm: Pose(grip + [0, 0, 0.13], turn * DOWN)})
        world.grip({arm: CLOSED["hammer"]}, holds={arm: "hammer"})
        _go(world, **{arm: world.flange(arm).moved((0, 0, 0.11))})
    over = world.body_pose(target).position + [0, 0, 0.11]
    _go(world, **{arm: world.flange(arm).moved(over - strike_face(world.body_pose("hammer")))})
    _go(world, **{arm: world.flange(arm).moved((0, 0, -0.09))})


def _hand_over(world: TableWorld, instruction: Instruction) -> None:
    giver, receiver = instruction.role["from"], instruction.role["to"]
    sign = 1.0 if giver == "right" else -1.0
    if world.holding().get(giver) != "box":
        _take_box(world, giver, sign)
    _free_hand(world, receiver)
    giving, taking = (POINTING_RIGHT, POINTING_LEFT) if giver == "left" else (POINTING_LEFT, POINTING_RIGHT)
    _go(
        world,
        **{
            giver: Pose.of((sign * 0.19, -0.12, 1.02), giving),
            receiver: Pose.of((-sign * 0.191, -0.12, 0.93), taking),
        },
    )
    _go(world, **{receiver: Pose.of((-sign * 0.09, -0.12, 0.91), taking)})
    world.grip({receiver: CLOSED["box"]}, holds={receiver: "box"})
    world.grip({giver: FINGER_OPEN})
    _go(
        world,
        **{
            giver: world.flange(giver).moved((sign * 0.1, 0, 0)),
            receiver: world.flange(receiver).moved((-sign * 0.08, 0, 0)),
        },
    )


def _take_box(world: TableWorld, giver: str, sign: float) -> None:
    box = world.body_pose("box")
    aside = _idle_home(world, giver, [box.position])
    _free_hand(world, giver)
    # The face that lies nearest to the arm's own slant: an eighth turn to its left or right.
    turn = np.pi / 2 + sign * (np.pi / 4) + _nearest_face(box, np.pi / 2 + sign * np.pi / 4)
    rotation = yaw(turn)
    ahead, up = rotation.apply([1.0, 0.0, 0.0]), np.array([0, 0, 0.07])
    _go(world, **{giver: Pose(box.position - 0.23 * ahead + up, rotation)}, **aside)
    _go(world, **{giver: Pose(box.position - 0.136 * ahead + up, rotation)})
    world.grip({giver: CLOSED["box"]}, holds={giver: "box"})
    _go(world, **{giver: world.flange(giver).moved((0, 0, 0.1))})


def _nearest_face(box: Pose, wanted: float) -> float:
    """Radians from `wanted` to the nearest direction that a side of the box faces."""
    ahead = box.rotation.apply([1.0, 0.0, 0.0])
    return float((np.arctan2(ahead[1], ahead[0]) - wanted + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def _home(world: TableWorld, instruction: Instruction) -> None:
    low = {
        side: world.flange(side).moved((0, 0, 0.08))
        for side in SIDES
        if world.flange(side).position[2] < 0.95 and world.distance_from_home(side) > 0.1
    }
    if low:
        _go(world, **low)
    _go(world, **{side: HOME[side] for side in SIDES})


def _still(world: TableWorld, instruction: Instruction) -> None:
    world.hold(1)


_SKILLS = {
    "beat": _beat,
    "stack": _stack,
    "place": _place,
    "push": _push,
    "lift": _lift,
    "hand_over": _hand_over,
    "home": _home,
    "still": _still,
}
