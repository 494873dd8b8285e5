"""Inverse kinematics of both arms through mink (differential IK on MuJoCo)."""

import mink
import numpy as np

from training.simulation.stage import robot_model
from training.simulation.stage.poses import Pose
from training.simulation.stage.scene import SceneSpec, build_model

POSITION_TOLERANCE = 0.004  # metres
ORIENTATION_TOLERANCE = 0.03  # radians


class UnreachableError(RuntimeError):
    """A commanded flange pose is outside the arm's reach or joint limits."""


class ArmKinematics:
    """Finds joint angles for flange poses; each solution starts from the one before, so paths stay continuous."""

    def __init__(self) -> None:
        self._model = build_model(SceneSpec(objects=()))
        self._configuration = mink.Configuration(self._model)
        self._limits = [mink.ConfigurationLimit(self._model)]
        self._addresses = {
            side: np.array([self._model.joint(name).qposadr[0] for name in robot_model.joint_names(side)])
            for side in robot_model.SIDES
        }
        self._tasks = {
            side: mink.FrameTask(f"{side}_flange", "site", position_cost=1.0, orientation_cost=0.3, lm_damping=1e-3)
            for side in robot_model.SIDES
        }
        self._posture = mink.PostureTask(self._model, cost=1e-4)

    def flange(self, side: str, joints: np.ndarray) -> Pose:
        """Forward kinematics: flange pose of `side` at `joints` (6,) radians."""
        qpos = self._configuration.q.copy()
        qpos[self._addresses[side]] = joints
        self._configuration.update(qpos)
        transform = self._configuration.get_transform_frame_to_world(f"{side}_flange", "site")
        return Pose.of(transform.translation(), transform.rotation().wxyz)

    def track(self, side: str, target: Pose, start: np.ndarray, iterations: int = 60) -> np.ndarray:
        """Joint angles (6,) radians that bring the flange of `side` to `target`, searched from `start` (6,) alone.

        Raises UnreachableError when the tolerance is not met within `iterations`.
        """
        qpos = self._configuration.q.copy()
        qpos[self._addresses[side]] = start
        self._configuration.update(qpos)
        task = self._tasks[side]
        task.set_target(mink.SE3.from_rotation_and_translation(mink.SO3(target.quaternion), target.position))
        self._posture.set_target(qpos)
        for _ in range(iterations):
            error = task.compute_error(self._configuration)
            if _within(error, 1 / 8):
                break
            velocity = mink.solve_ik(self._configuration, [task, self._posture], 0.1, "daqp", limits=self._limits)
            self._configuration.integrate_inplace(velocity, 0.1)
        if not _within(task.compute_error(self._configuration), 1.0):
            raise UnreachableError(f"{side} flange cannot reach {np.round(target.position, 3).tolist()}")
        return self._configuration.q[self._addresses[side]].copy()

    def solve(self, side: str, target: Pose, current: np.ndarray) -> np.ndarray:
        """The solution for `target` nearest to `current` (6,) radians, searched from several wrist configurations.

        Raises UnreachableError when none of the searches converges.
        """
        offset = target.position - self.base_position(side)
        bearing = np.arctan2(-offset[0], offset[1])
        seeds = [current] + [
            np.array([bearing, -0.9, 1.7, roll, pitch, 0.0]) for roll in (0.0, 1.3, -1.3) for pitch in (1.0, -0.8)
        ]
        solutions = []
        for seed in seeds:
            try:
                solutions.append(self.track(side, target, seed, iterations=100))
            except UnreachableError:
                continue
        if not solutions:
            raise UnreachableError(f"{side} flange cannot reach {np.round(target.position, 3).tolist()}")
        return min(solutions, key=lambda joints: float(np.abs(joints - current).max()))

    def base_position(self, side: str) -> np.ndarray:
        """World position (3,) of the arm's base, metres."""
        return np.asarray(self._model.body(f"{side}_base").pos)


def _within(error: np.ndarray, share: float) -> bool:
    """Whether a task error (3 metres, 3 radians) is inside `share` of the tolerances."""
    return bool(
        np.linalg.norm(error[:3]) < share * POSITION_TOLERANCE
        and np.linalg.norm(error[3:]) < share * ORIENTATION_TOLERANCE
    )
