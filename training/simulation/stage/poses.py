"""Rigid poses: position in metres and a unit quaternion (w, x, y, z), as RoboTwin writes them."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation, Slerp


@dataclass(frozen=True)
class Pose:
    """A pose in the world frame: `position` float64 (3,), `rotation` a scipy Rotation."""

    position: np.ndarray
    rotation: Rotation

    @classmethod
    def of(cls, position, quaternion) -> "Pose":
        """From a position and a quaternion (w, x, y, z) of any length but zero."""
        return cls(
            np.asarray(position, dtype=float), Rotation.from_quat(np.asarray(quaternion, float), scalar_first=True)
        )

    @property
    def quaternion(self) -> np.ndarray:
        """float64 (4,): w, x, y, z."""
        return self.rotation.as_quat(scalar_first=True)

    def moved(self, offset) -> "Pose":
        """The same orientation, `offset` metres away in the world frame."""
        return Pose(self.position + np.asarray(offset, dtype=float), self.rotation)


def yaw(angle: float) -> Rotation:
    """Rotation by `angle` radians about the vertical axis."""
    return Rotation.from_euler("z", angle)


def interpolate(start: Pose, end: Pose, fractions: np.ndarray) -> list[Pose]:
    """Straight line in position, shortest arc in orientation, at `fractions` (N,) of the way."""
    turn = Slerp([0.0, 1.0], Rotation.concatenate([start.rotation, end.rotation]))(fractions)
    positions = start.position + np.outer(fractions, end.position - start.position)
    return [Pose(position, rotation) for position, rotation in zip(positions, turn, strict=True)]
