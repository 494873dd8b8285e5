"""When an instruction has been carried out: its goal is met, and nothing else on the table was moved."""

from __future__ import annotations

import numpy as np

from training.simulation.stage.poses import Pose
from training.simulation.stage.robot_model import FINGER_OPEN, SIDES
from training.simulation.table.instruction import HALF, Instruction
from training.simulation.table.layout import PAD_HEIGHT
from training.simulation.table.skills import strike_face
from training.simulation.table.world import Snapshot, TableWorld

BYSTANDER = 0.02  # metres that a thing which the instruction does not name may move
TABLE_TOP = 0.74


def succeeded(world: TableWorld, instruction: Instruction, start: Snapshot) -> bool:
    """Whether `instruction`, carried out since `start`, is done now."""
    return _CHECKS[instruction.verb](world, instruction, start) and _others_rest(world, instruction, start)


def _others_rest(world: TableWorld, instruction: Instruction, start: Snapshot) -> bool:
    """Whether all things stayed where they were, except those that are named or were in a hand."""
    named = {f"{colour}_block" for role, colour in instruction.roles if role in ("block", "top")}
    named |= {"beat": {"hammer"}, "hand_over": {"box"}}.get(instruction.verb, set())
    if instruction.verb == "beat":
        named -= {f"{instruction.role['block']}_block"}
    moving = named | set(start.holding.values()) | {f"{side}_link6" for side in SIDES}
    return all(
        np.linalg.norm(world.body_pose(name).position - position) < BYSTANDER
        for name, position in start.bodies.items()
        if name not in moving
    )


def _block(world: TableWorld, colour: str) -> Pose:
    return world.body_pose(f"{colour}_block")


def _level(pose: Pose) -> bool:
    """Whether a block lies flat on one of its faces."""
    return float(np.abs(pose.rotation.as_matrix()[2]).max()) > 0.99


def _stands_at(world: TableWorld, instruction: Instruction, colour: str, goal: np.ndarray) -> bool:
    pose = _block(world, colour)
    near = np.abs(pose.position - goal) < [0.02, 0.02, 0.006]
    released = instruction.arm not in world.holding() and world.gripper_targets[instruction.arm] == FINGER_OPEN
    return bool(near.all() and _level(pose) and released)


def _lifted(world: TableWorld, instruction: Instruction, start: Snapshot) -> bool:
    colour = instruction.role["block"]
    held = world.holding().get(instruction.arm) == f"{colour}_block"
    return held and _block(world, colour).position[2] > TABLE_TOP + HALF + 0.08


def _stacked(world: TableWorld, instruction: Instruction, start: Snapshot) -> bool:
    roles = instruction.role
    goal = _block(world, roles["bottom"]).position + [0, 0, 2 * HALF]
    return _stands_at(world, instruction, roles["top"], goal)


def _placed(world: TableWorld, instruction: Instruction, start: Snapshot) -> bool:
    roles = instruction.role
    goal = np.array([*world.layout.pads[roles["pad"]], TABLE_TOP + PAD_HEIGHT + HALF])
    return _stands_at(world, instruction, roles["block"], goal)


def _pushed(world: TableWorld, instruction: Instruction, start: Snapshot) -> bool:
    roles = instruction.role
    pose, before = _block(world, roles["block"]), start.bodies[f"{roles['block']}_block"]
    way = pose.position - before
    sideways = way[0] * (1 if roles["side"] == "right" else -1)
    return bool(sideways > 0.08 and abs(way[1]) < 0.04 and abs(way[2]) < 0.006 and _level(pose))


def _beaten(world: TableWorld, instruction: Instruction, start: Snapshot) -> bool:
    """RoboTwin 1.0's block_hammer_beat: the face over the block's middle, at its top."""
    face, block = strike_face(world.body_pose("hammer")), _block(world, instruction.role["block"]).position
    return bool(np.abs(face - block)[:2].max() < 0.02 and 0.78 < face[2] < 0.81)


def _handed_over(world: TableWorld, instruction: Instruction, start: Snapshot) -> bool:
    roles = instruction.role
    held = world.holding().get(roles["to"]) == "box" and roles["from"] not in world.holding()
    open_hand = world.gripper_targets[roles["from"]] == FINGER_OPEN
    return held and open_hand and world.body_pose("box").position[2] > TABLE_TOP + 0.13


def _at_home(world: TableWorld, instruction: Instruction, start: Snapshot) -> bool:
    return all(world.distance_from_home(side) < 0.01 for side in SIDES)


def _unmoved(world: TableWorld, instruction: Instruction, start: Snapshot) -> bool:
    return all(
        np.linalg.norm(world.actual_flange(side).position - start.bodies[f"{side}_link6"]) < 0.03 for side in SIDES
    )


_CHECKS = {
    "beat": _beaten,
    "stack": _stacked,
    "place": _placed,
    "lift": _lifted,
    "push": _pushed,
    "hand_over": _handed_over,
    "home": _at_home,
    "still": _unmoved,
}
