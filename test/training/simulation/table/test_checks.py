"""Every instruction is carried out on a real table, and only its own check then says that it is done."""

import numpy as np
import pytest

from training.simulation.stage.poses import Pose, yaw
from training.simulation.stage.world import SAVE_FREQUENCY, GraspError
from training.simulation.table.checks import succeeded
from training.simulation.table.instruction import HALF, Instruction
from training.simulation.table.layout import Layout
from training.simulation.table.skills import DOWN, carry_out
from training.simulation.table.world import TableWorld

FLAT = yaw(0.0)
LAYOUT = Layout(
    blocks={
        "red": Pose(np.array([-0.16, -0.10, 0.741 + HALF]), FLAT),
        "blue": Pose(np.array([0.16, -0.10, 0.741 + HALF]), FLAT),
    },
    pads={"green": np.array([0.16, 0.03]), "yellow": np.array([-0.16, 0.03])},
    hammer=Pose(np.array([0.03, -0.08, 0.7835]), FLAT),
    box=Pose(np.array([0.0, 0.13, 0.841]), yaw(np.pi / 4)),
    box_colour="black",
    starts={"left": Pose(np.array([-0.25, -0.2, 1.03]), DOWN)},  # so that "go home" and "stay still" differ
)


def told(verb: str, arm: str | None = None, **roles: str) -> Instruction:
    return Instruction(verb, tuple(roles.items()), arm)


INSTRUCTIONS = {
    "beat red": told("beat", "left", block="red"),
    "beat blue": told("beat", "right", block="blue"),
    "red on blue": told("stack", "right", top="red", bottom="blue"),
    "blue on red": told("stack", "left", top="blue", bottom="red"),
    "red on green": told("place", "right", block="red", pad="green"),
    "red on yellow": told("place", "left", block="red", pad="yellow"),
    "lift red": told("lift", "left", block="red"),
    "lift blue": told("lift", "right", block="blue"),
    "red to the right": told("push", "left", block="red", side="right"),
    "red to the left": told("push", "left", block="red", side="left"),
    "box from left": told("hand_over", **{"from": "left", "to": "right"}),
    "box from right": told("hand_over", **{"from": "right", "to": "left"}),
    "home": told("home"),
    "still": told("still"),
}


@pytest.fixture(scope="module")
def world() -> TableWorld:
    return TableWorld(LAYOUT)


def after(world: TableWorld, name: str) -> TableWorld:
    world.restore(world.start)
    carry_out(world, INSTRUCTIONS[name])
    world.hold(10 * SAVE_FREQUENCY)
    return world


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_only_what_was_told_is_done(world, name):
    after(world, name)
    done = {other for other, instruction in INSTRUCTIONS.items() if succeeded(world, instruction, world.start)}
    assert done == {name}


@pytest.mark.parametrize("name", ["lift red", "red on yellow", "beat red", "home"])
def test_nothing_else_may_be_moved(world, name):
    after(world, name)
    world.data.joint("blue_block").qpos[1] += 0.03
    world.hold(1)
    assert not succeeded(world, INSTRUCTIONS[name], world.start)


def test_a_grasp_of_nothing_is_an_error(world):
    world.restore(world.start)
    with pytest.raises(GraspError, match="left gripper closed without holding red_block"):
        world.grip({"left": 0.0}, holds={"left": "red_block"})
