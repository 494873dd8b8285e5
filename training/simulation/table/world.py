"""The table's physics without pictures. The state at every frame is kept, and a run can continue from any of them."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from training.simulation.stage import robot_model
from training.simulation.stage.appearance import Appearance
from training.simulation.stage.poses import Pose
from training.simulation.stage.robot_model import FINGER_OPEN
from training.simulation.stage.world import HOME, World
from training.simulation.table.instruction import Situation
from training.simulation.table.layout import Layout

STATE = mujoco.mjtState.mjSTATE_INTEGRATION  # all that the next step depends on, the solver's warm start included
AWAY = 0.05  # metres from home from which on "go home" is a motion


@dataclass(frozen=True)
class Snapshot:
    """Everything that decides how a run goes on, and what its picture shows. Arrays are never changed in place."""

    state: np.ndarray  # MuJoCo's integration state
    welds: np.ndarray  # relative poses of grasps; they belong to the model, not to MuJoCo's state
    joint_targets: dict[str, np.ndarray]  # radians (6,) per arm
    gripper_targets: dict[str, float]  # metres per finger
    holding: dict[str, str]
    bodies: dict[str, np.ndarray]  # positions (3,) of free bodies and flanges, metres


class TableWorld(World):
    """A table that notes a `Snapshot` per frame in `frames` and can be set back to one."""

    gripper_steps, touch_steps = 100, 35
    knot_spacing = 25

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.frames: list[Snapshot] = []
        super().__init__(layout.spec(Appearance()), lambda world: self._note(), FINGER_OPEN)
        self._tracked = [f"{side}_link6" for side in robot_model.SIDES]
        self._tracked += [body.name for body in layout.spec(Appearance()).objects]
        for side, pose in layout.starts.items():
            self.joint_targets[side] = self._kinematics.solve(side, pose, self.joint_targets[side])
            self._set_joints(robot_model.joint_names(side), self.joint_targets[side])
        mujoco.mj_forward(self.model, self.data)
        self._settle(300)
        self.start = self.snapshot()

    def snapshot(self) -> Snapshot:
        """The present moment."""
        state = np.empty(mujoco.mj_stateSize(self.model, STATE))
        mujoco.mj_getState(self.model, self.data, state, STATE)
        bodies = {name: self.data.body(name).xpos.copy() for name in self._tracked}
        return Snapshot(
            state,
            self.model.eq_data.copy(),
            dict(self.joint_targets),
            dict(self.gripper_targets),
            dict(self._holding),
            bodies,
        )

    def restore(self, moment: Snapshot) -> None:
        """Set everything back to `moment` and forget the noted frames; the next step notes `moment` as frame 0."""
        mujoco.mj_setState(self.model, self.data, moment.state, STATE)
        self.model.eq_data[:] = moment.welds
        self.joint_targets, self.gripper_targets = dict(moment.joint_targets), dict(moment.gripper_targets)
        self._holding = dict(moment.holding)
        self._steps, self.frames = 0, []
        # Body poses only: a whole forward pass would also replace the solver's warm start, which is part of the state.
        mujoco.mj_kinematics(self.model, self.data)

    def _note(self) -> None:
        self.frames.append(self.snapshot())

    def holding(self) -> dict[str, str]:
        """What each hand holds, by body name."""
        return dict(self._holding)

    def situation(self) -> Situation:
        """The table as it stands now."""
        layout = self.layout
        return Situation(
            blocks={colour: self.body_pose(f"{colour}_block") for colour in layout.blocks},
            pads=layout.pads,
            hammer=self.body_pose("hammer") if layout.hammer is not None else None,
            box=self.body_pose("box") if layout.box is not None else None,
            holding=self.holding(),
            away=tuple(side for side in robot_model.SIDES if self.distance_from_home(side) > AWAY),
        )

    def distance_from_home(self, side: str) -> float:
        """Metres from the commanded flange to its home."""
        return float(np.linalg.norm(self.flange(side).position - HOME[side].position))

    def actual_flange(self, side: str) -> Pose:
        """Where the flange of `side` really is."""
        return self.body_pose(f"{side}_link6")
