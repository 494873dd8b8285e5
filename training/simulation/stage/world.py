"""The running simulation: physics, arm and gripper commands, grasps, and a signal for each recorded frame."""

from collections.abc import Callable, Sequence

import mujoco
import numpy as np

from training.simulation.stage import robot_model
from training.simulation.stage.kinematics import ArmKinematics
from training.simulation.stage.poses import Pose, interpolate
from training.simulation.stage.scene import STEP, SceneSpec, build_model

SAVE_FREQUENCY = 15  # simulation steps per recorded frame, RoboTwin's save_freq
GRIPPER_STEPS = 400  # length of a gripper command in RoboTwin 1.0; the fingers move during its first half
HOME = {
    "left": Pose.of((-0.30, -0.32, 0.935), (1, 0, 0, 1)),
    "right": Pose.of((0.30, -0.32, 0.935), (1, 0, 0, 1)),
}


class GraspError(RuntimeError):
    """The fingers closed without touching the object on both sides."""


class World:
    """One scene in motion.

    `on_frame(world)` is called at step 0 and after every `SAVE_FREQUENCY` simulation steps, which gives frames a
    constant spacing of 0.06 s. (RoboTwin restarts its count at each motion and so stores near-duplicates at the joins.)
    """

    gripper_steps = GRIPPER_STEPS
    touch_steps = 0  # simulation steps that closing fingers get to arrive before their touch is judged
    knot_spacing = 10  # simulation steps from one inverse kinematics solution to the next along a straight path

    def __init__(self, spec: SceneSpec, on_frame: Callable[["World"], None], gripper_opening: float = 0.0) -> None:
        self.model = build_model(spec)
        self.data = mujoco.MjData(self.model)
        self._kinematics = ArmKinematics()
        self._on_frame = on_frame
        self._steps = 0
        self._holding: dict[str, str] = {}
        self.joint_targets: dict[str, np.ndarray] = {}
        self.gripper_targets = dict.fromkeys(robot_model.SIDES, gripper_opening)
        self._arm_controls = {s: self._actuator_ids(robot_model.joint_names(s)) for s in robot_model.SIDES}
        self._finger_controls = {s: self._actuator_ids(robot_model.finger_joint_names(s)) for s in robot_model.SIDES}
        for side in robot_model.SIDES:
            self.joint_targets[side] = self._kinematics.solve(side, HOME[side], robot_model.REST_JOINTS[side])
            self._set_joints(robot_model.joint_names(side), self.joint_targets[side])
            self._set_joints(robot_model.finger_joint_names(side), [gripper_opening] * 2)
        mujoco.mj_forward(self.model, self.data)
        self._settle()

    def _actuator_ids(self, names: Sequence[str]) -> np.ndarray:
        return np.array([self.model.actuator(name).id for name in names])

    def _set_joints(self, names: Sequence[str], values: Sequence[float]) -> None:
        for name, value in zip(names, values, strict=True):
            self.data.joint(name).qpos[0] = value

    def _settle(self, steps: int = 100) -> None:
        """Let spawned objects come to rest before anything is recorded."""
        self._apply_controls()
        mujoco.mj_step(self.model, self.data, steps)
        self.data.time = 0.0

    def _apply_controls(self) -> None:
        for side in robot_model.SIDES:
            self.data.ctrl[self._arm_controls[side]] = self.joint_targets[side]
            self.data.ctrl[self._finger_controls[side]] = self.gripper_targets[side]

    def step(self) -> None:
        """One simulation step of 1/250 s, and the frame signal when one is due."""
        if self._steps % SAVE_FREQUENCY == 0:
            self._on_frame(self)
        self._apply_controls()
        mujoco.mj_step(self.model, self.data)
        self._steps += 1

    def hold(self, steps: int) -> None:
        """Keep all commands for `steps` simulation steps."""
        for _ in range(steps):
            self.step()

    def flange(self, side: str) -> Pose:
        """Commanded flange pose of `side`."""
        return self._kinematics.flange(side, self.joint_targets[side])

    def body_pose(self, name: str) -> Pose:
        """Actual pose of a body."""
        body = self.data.body(name)
        return Pose.of(body.xpos.copy(), body.xquat.copy())

    def move(self, targets: dict[str, Pose], seconds: float) -> None:
        """Bring the flanges of the named arms to `targets` in `seconds`, all arms at the same time.

        Small turns follow a straight line in space; larger ones run through joint space, past wrist singularities.
        Raises UnreachableError before anything moves.
        """
        steps = max(SAVE_FREQUENCY, round(seconds / STEP))
        knots = np.linspace(0.0, 1.0, max(2, steps // self.knot_spacing))
        paths = {side: self._joint_path(side, target, knots) for side, target in targets.items()}
        for k in range(1, steps + 1):
            progress = _smooth(k / steps)
            for side, path in paths.items():
                self.joint_targets[side] = np.array([np.interp(progress, knots, joint) for joint in path.T])
            self.step()

    def _joint_path(self, side: str, target: Pose, knots: np.ndarray) -> np.ndarray:
        start_joints, start = self.joint_targets[side], self.flange(side)
        if (start.rotation.inv() * target.rotation).magnitude() > 0.25:
            goal = self._kinematics.solve(side, target, start_joints)
            return start_joints + np.outer(knots, goal - start_joints)
        path = [start_joints]
        for waypoint in interpolate(start, target, knots[1:]):
            path.append(self._kinematics.track(side, waypoint, path[-1]))
        return np.array(path)

    def grip(self, openings: dict[str, float], holds: dict[str, str] | None = None) -> None:
        """Move fingers to `openings` (metres per finger) in half of `gripper_steps`, then wait for the other half.

        `holds` names the object that an arm takes; it is welded to the flange once both pads touch it. An arm that
        opens lets go at once. Raises GraspError when an object to be taken is not between the fingers.
        """
        for side, opening in openings.items():
            if opening > self.gripper_targets[side]:
                self._release(side)
        starts = {side: self.gripper_targets[side] for side in openings}
        moving = self.gripper_steps // 2
        for k in range(1, moving + 1):
            for side, opening in openings.items():
                self.gripper_targets[side] = starts[side] + (opening - starts[side]) * k / moving
            self.step()
        self.hold(self.touch_steps)
        for side, name in (holds or {}).items():
            self._grasp(side, name)
        self.hold(self.gripper_steps - moving - self.touch_steps)

    def _pad_touches(self, pad: str, body_name: str) -> bool:
        pad_id, body_id = self.model.geom(pad).id, self.model.body(body_name).id
        for contact in self.data.contact:
            pair = [contact.geom1, contact.geom2]
            if pad_id in pair and body_id in self.model.geom_bodyid[pair]:
                return True
        return False

    def _grasp(self, side: str, name: str) -> None:
        if not all(self._pad_touches(f"{side}_pad{n}", name) for n in (1, 2)):
            raise GraspError(f"the {side} gripper closed without holding {name}")
        hand, body = self.body_pose(f"{side}_link6"), self.body_pose(name)
        relative_position = hand.rotation.inv().apply(body.position - hand.position)
        relative = hand.rotation.inv() * body.rotation
        weld = self.model.equality(f"{side}_{name}")
        self.model.eq_data[weld.id, 0:3] = 0.0
        self.model.eq_data[weld.id, 3:6] = relative_position
        self.model.eq_data[weld.id, 6:10] = relative.as_quat(scalar_first=True)
        self.model.eq_data[weld.id, 10] = 1.0
        self.data.eq_active[weld.id] = 1
        self._holding[side] = name

    def _release(self, side: str) -> None:
        name = self._holding.pop(side, None)
        if name is not None:
            self.data.eq_active[self.model.equality(f"{side}_{name}").id] = 0


def _smooth(fraction: float) -> float:
    """Minimum-jerk time law: zero speed and acceleration at both ends."""
    return fraction**3 * (10 - 15 * fraction + 6 * fraction**2)
