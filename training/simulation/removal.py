"""An object that is taken away during an episode, while the robot goes on as if nothing had happened.

The episode is played once undisturbed, which gives the robot's commands, and then again from these commands alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

from training.simulation.stage import robot_model
from training.simulation.stage.scene import SceneSpec
from training.simulation.stage.world import SAVE_FREQUENCY, World

OUT_OF_SIGHT = (0.0, -100.0, 0.1)  # metres, on the floor far behind the camera


@dataclass(frozen=True)
class Command:
    """What the robot does in one simulation step: drive targets, and which objects are welded to its hands."""

    joints: dict[str, np.ndarray]
    grippers: dict[str, float]
    weld_active: np.ndarray
    weld_data: np.ndarray


class TapedWorld(World):
    """A world that notes the command of every simulation step in `tape`."""

    def __init__(self, spec: SceneSpec, on_frame: Callable[[World], None], gripper_opening: float = 0.0) -> None:
        self.tape: list[Command] = []
        super().__init__(spec, on_frame, gripper_opening)

    def step(self) -> None:
        """One simulation step, its command noted."""
        # The targets are replaced, never changed in place, so that the arrays need no copies.
        active, data = self.data.eq_active.copy(), self.model.eq_data.copy()
        self.tape.append(Command(dict(self.joint_targets), dict(self.gripper_targets), active, data))
        super().step()


def replay_without(world: World, tape: list[Command], name: str, fraction: float) -> None:
    """Play a tape in a fresh world of the same scene; body `name` is gone from the frame at `fraction` (0..1) on.

    The commands are those of the tape to the end, so that frames before the removal equal the undisturbed episode's.
    """
    frames = -(-len(tape) // SAVE_FREQUENCY)
    removed_at = round(fraction * frames) * SAVE_FREQUENCY
    welds = [world.model.equality(f"{side}_{name}").id for side in robot_model.SIDES]
    for step, command in enumerate(tape):
        world.joint_targets, world.gripper_targets = dict(command.joints), dict(command.grippers)
        world.model.eq_data[:] = command.weld_data
        world.data.eq_active[:] = command.weld_active
        if step >= removed_at:
            world.data.eq_active[welds] = 0
        if step == removed_at:
            joint = world.data.joint(name)
            joint.qpos[:3], joint.qvel[:] = OUT_OF_SIGHT, 0.0
            mujoco.mj_forward(world.model, world.data)  # so that the frame taken now already lacks it
        world.step()
