"""Frames of a live camera that show nothing new need no new prediction. No ROS in it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

BLOCK = 16  # pixels: blocks that average a sensor's noise away, and in which a gripper still shows


def block_means(image: np.ndarray) -> np.ndarray:
    """The mean colours, uint8, of an image's blocks of about 16x16 pixels; the image is uint8 (H, W, 3)."""
    height, width = (max(1, side // BLOCK) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class _Made:
    """A prediction, shapes and block means of the pictures that it was made from, and what else it depends on."""

    shapes: list[tuple[int, ...]]
    means: list[np.ndarray]
    conditions: Hashable
    predicted: Any


class LastPredictions:
    """Each camera's last prediction, to be used again for frames that are like the one that it was made from.

    A frame is always compared with that one and not with the frame before it, so that slow changes add up. Blocks are
    compared, because what moves is small: over a whole frame, a moving arm changes the mean less than a camera's noise
    does. Where the model is given a past, that is compared, too: a robot that has just stopped has not stood still.
    """

    def __init__(self) -> None:
        self._made: dict[str, _Made] = {}

    def find(
        self, camera: str, image: np.ndarray, conditions: Hashable, threshold: int, past: Sequence[np.ndarray] = ()
    ) -> Any:
        """Return the camera's last prediction if it holds for a frame, else None.

        Args:
            camera: the camera's name.
            image: the frame, RGB uint8 (H, W, 3).
            conditions: what a prediction depends on besides pictures; must be equal.
            threshold: levels of 255 by which each channel of each block must differ less.
            past: earlier frames that the prediction also depends on, RGB uint8.
        """
        made, seen = self._made.get(camera), (image, *past)
        if made is None or made.conditions != conditions or made.shapes != [picture.shape for picture in seen]:
            return None
        pairs = zip(seen, made.means, strict=True)
        like = all(cv2.absdiff(block_means(picture), means).max() < threshold for picture, means in pairs)
        return made.predicted if like else None

    def keep(
        self, camera: str, image: np.ndarray, conditions: Hashable, predicted: Any, past: Sequence[np.ndarray] = ()
    ) -> None:
        """Remember the camera's last prediction and what it was made from; arguments as in `find`."""
        seen = (image, *past)
        shapes, means = [picture.shape for picture in seen], [block_means(picture) for picture in seen]
        self._made[camera] = _Made(shapes, means, conditions, predicted)
