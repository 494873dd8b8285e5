"""The monitor's surprise: the picture has changed where nothing moves and no change was predicted.

An arm that comes sooner or later than predicted makes large errors, in places that change from moment to moment. A
block that is gone from the gripper makes one in a place that stays, and that is neither as it was predicted nor as it
was when the prediction was made. Means over the picture show only the first.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from framepred_ros.pictures import resize_frame

SMOOTHING = 1 / 64  # of the picture's width: about the size of what a gripper holds
MOTION_SMOOTHING = 1 / 160  # of the picture's width, against noise
MOTION_LEVEL = 6.0  # levels of 0..255; as in `Compositing`, a smaller change is no motion
ERROR_LEVEL = 10.0  # levels; keeps the ratio below small where the whole picture is predicted almost perfectly
MAP_SHRINK = 4  # the smoothed maps are kept at a quarter of the size
STILL_SCORES = 2  # a place stands still if it looks as it did this many scores ago


class Surprise:
    """How strong the most lasting unexplained change is.

    The error of a place is the smaller one of prediction and copying, zero where the picture now moves, smoothed, and
    taken relative to the whole picture's error, which is large while a motion is mistimed. From the latest `window`
    such maps, the median is taken place by place, and the worst place is the result.
    """

    def __init__(self, window: int) -> None:
        self._maps: deque[np.ndarray] = deque(maxlen=window)
        self._actuals: deque[np.ndarray] = deque(maxlen=STILL_SCORES)

    def reset(self) -> None:
        """Forget all pictures."""
        self._maps.clear()
        self._actuals.clear()

    def add(self, current: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> float:
        """Take in the next prediction whose moment has come, pictures RGB uint8 (height, width, 3) of one size.

        Returns:
            0 or more; about 1 is usual. 0 until the window is full.
        """
        if len(self._actuals) == STILL_SCORES:
            self._maps.append(_unexplained(current, predicted, actual, self._actuals[0]))
        self._actuals.append(actual)
        if len(self._maps) < self._maps.maxlen:
            return 0.0
        return float(np.median(self._maps, axis=0).max())


def _unexplained(current: np.ndarray, predicted: np.ndarray, actual: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """The map of one prediction, float32 (height, width) at 1 / MAP_SHRINK of the size."""
    height, width = actual.shape[:2]
    error = _difference(predicted, actual).mean(axis=2)
    level = float(np.sqrt(np.mean(error**2))) + ERROR_LEVEL
    motion = _smooth(_difference(earlier, actual).max(axis=2), MOTION_SMOOTHING * width)
    error = np.minimum(error, _difference(current, actual).mean(axis=2))
    error[motion > MOTION_LEVEL] = 0
    shrunk = (max(1, height // MAP_SHRINK), max(1, width // MAP_SHRINK))
    return resize_frame(_smooth(error, SMOOTHING * width), shrunk) / level


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return cv2.absdiff(a, b).astype(np.float32)


def _smooth(picture: np.ndarray, deviation: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), deviation)
