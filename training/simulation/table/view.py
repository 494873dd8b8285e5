"""Where places on the table lie in the picture of the undisturbed head camera."""

import numpy as np

from training.simulation.stage.scene import CAMERA_FORWARD, CAMERA_FOVY, CAMERA_HEIGHT, CAMERA_POSITION, CAMERA_WIDTH

_FOCAL = CAMERA_HEIGHT / 2 / np.tan(np.radians(CAMERA_FOVY) / 2)  # pixels
_RIGHT = np.array([1.0, 0.0, 0.0])
_DOWN = np.cross(CAMERA_FORWARD, _RIGHT)


def pixel(point: np.ndarray) -> np.ndarray:
    """Column and row (2,) of a point (x, y, z) in metres."""
    ray = np.asarray(point, dtype=float) - CAMERA_POSITION
    depth = ray @ CAMERA_FORWARD
    return np.array([CAMERA_WIDTH, CAMERA_HEIGHT]) / 2 + _FOCAL * np.array([ray @ _RIGHT, ray @ _DOWN]) / depth


def in_view(point: np.ndarray, margin: float) -> bool:
    """Whether the point lies in the picture, at least `margin` pixels from its edges."""
    column, row = pixel(point)
    return bool(margin <= column <= CAMERA_WIDTH - margin and margin <= row <= CAMERA_HEIGHT - margin)
