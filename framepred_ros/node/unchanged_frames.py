"""Frames of a live camera that show nothing new need no new prediction. No ROS in it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import cv2
import numpy as np

BLOCK = 16  # pixels: large enough to average a sensor's noise away, small enough for a gripper to show


def block_means(image: np.ndarray) -> np.ndarray:
    """The mean colours, uint8, of an image's blocks of about 16x16 pixels; the image is uint8 (H, W, 3)."""
    height, width = (max(1, side // BLOCK) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class _Made:
    """A prediction, the block means of the frame that it was made from, and what else it depends on."""

    means: np.ndarray
    conditions: Hashable
    predicted: np.ndarray


class LastPredictions:
    """Each camera's last prediction, to be used again for frames that are like the one that it was made from.

    A frame is always compared with that one and not with the frame before it, so that slow changes add up. What is
    compared is blocks, because what moves is small: the mean difference of whole frames is smaller for a moving arm
    than for the noise of a camera.
    """

    def __init__(self) -> None:
        self._made: dict[str, _Made] = {}

    def find(self, camera: str, image: np.ndarray, conditions: Hashable, threshold: int) -> np.ndarray | None:
        """Return the camera's last prediction if it holds for a frame, else None.

        Args:
            camera: the camera's name.
            image: the frame, RGB uint8 (H, W, 3).
            conditions: what a prediction depends on besides the frame; must be equal.
            threshold: levels of 255 by which each channel of each block must differ less.
        """
        made = self._made.get(camera)
        if made is None or made.conditions != conditions or made.predicted.shape != image.shape:
            return None
        return made.predicted if cv2.absdiff(block_means(image), made.means).max() < threshold else None

    def keep(self, camera: str, image: np.ndarray, conditions: Hashable, predicted: np.ndarray) -> None:
        """Remember the camera's last prediction and what it was made from; arguments as in `find`."""
        self._made[camera] = _Made(block_means(image), conditions, predicted)
