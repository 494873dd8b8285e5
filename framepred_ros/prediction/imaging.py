"""Camera frames into a model and predicted frames out of it: on the CPU with OpenCV, for models with and without torch.

`framepred_ros.prediction.imaging_torch` is the same for tensors, also on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np

from framepred_ros.pictures import resize_frame
from framepred_ros.prediction import compositing
from framepred_ros.prediction.compositing import Compositing


class Imaging(Protocol):
    """Frames are uint8 RGB (H, W, 3), each of its own size; pictures are float32 (N, 3, h, w) in 0..255, NumPy's or
    tensors on the model's device, at the model's resolution."""

    def load(self, frames: Sequence[np.ndarray], size: tuple[int, int]) -> Any:
        """The frames as pictures of a size (height, width), rounded to whole levels; of any dtype."""
        ...

    def show(self, pictures: Any, sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
        """The pictures as frames of sizes (height, width)."""
        ...

    def composite(
        self, frames: Sequence[np.ndarray], future: Any, before: Any, after: Any, options: Compositing
    ) -> list[np.ndarray]:
        """`future` where something moves from `before` to `after`, denoised, and the camera's own pixels elsewhere."""
        ...


class ArrayImaging:
    """For pictures that are NumPy arrays; see `Imaging`."""

    def load(self, frames, size):
        """See `Imaging.load`; uint8."""
        return np.stack([resize_frame(frame, size) for frame in frames]).transpose(0, 3, 1, 2)

    def show(self, pictures, sizes):
        """See `Imaging.show`."""
        resized = map(resize_frame, map(np.ascontiguousarray, _views(pictures)), sizes)
        return [compositing.to_uint8(picture) for picture in resized]

    def composite(self, frames, future, before, after, options):
        """See `Imaging.composite`."""
        results = []
        for frame, planes, earlier, later in zip(frames, future, _views(before), _views(after), strict=True):
            mask = compositing.motion_mask(earlier, later, options)
            # Whole levels from here on: OpenCV filters, resizes and blends bytes several times as fast as floats.
            picture = cv2.merge([compositing.to_uint8(plane) for plane in planes])
            resized = resize_frame(compositing.denoise(picture, mask, options), frame.shape[:2])
            results.append(compositing.composite(frame, resized, resize_frame(mask, frame.shape[:2])))
        return results


def _views(pictures: np.ndarray) -> np.ndarray:
    """float32 (N, h, w, 3), views of float32 (N, 3, h, w)."""
    return pictures.transpose(0, 2, 3, 1)
