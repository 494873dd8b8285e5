"""Camera frames into a model and predicted frames out of it: on the CPU with OpenCV, on a GPU without leaving it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import torch

from framepred_ros.pictures import resize_frame
from framepred_ros.prediction import compositing, compositing_torch
from framepred_ros.prediction.compositing import Compositing


class Imaging(Protocol):
    """Frames are uint8 RGB (H, W, 3), each of its own size; pictures are float32 (N, 3, h, w) in 0..255, on the model's
    device and at its resolution."""

    def load(self, frames: Sequence[np.ndarray], size: tuple[int, int]) -> torch.Tensor:
        """The frames as pictures of a size (height, width), rounded to whole levels; of any dtype."""
        ...

    def show(self, pictures: torch.Tensor, sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
        """The pictures as frames of sizes (height, width)."""
        ...

    def composite(
        self,
        frames: Sequence[np.ndarray],
        future: torch.Tensor,
        before: torch.Tensor,
        after: torch.Tensor,
        options: Compositing,
    ) -> list[np.ndarray]:
        """`future` where something moves from `before` to `after`, denoised, and the camera's own pixels elsewhere."""
        ...


class HostImaging:
    """For a model on the CPU; see `Imaging`."""

    def load(self, frames, size):
        """See `Imaging.load`; uint8."""
        return torch.from_numpy(np.stack([resize_frame(frame, size) for frame in frames])).permute(0, 3, 1, 2)

    def show(self, pictures, sizes):
        """See `Imaging.show`."""
        resized = map(resize_frame, map(np.ascontiguousarray, _views(pictures)), sizes)
        return [compositing.to_uint8(picture) for picture in resized]

    def composite(self, frames, future, before, after, options):
        """See `Imaging.composite`."""
        results = []
        for frame, planes, *views in zip(frames, future.numpy(), *map(_views, (before, after)), strict=True):
            mask = compositing.motion_mask(*views, options)
            # Whole levels from here on: OpenCV filters, resizes and blends bytes several times as fast as floats.
            picture = cv2.merge([compositing.to_uint8(plane) for plane in planes])
            resized = resize_frame(compositing.denoise(picture, mask, options), frame.shape[:2])
            results.append(compositing.composite(frame, resized, resize_frame(mask, frame.shape[:2])))
        return results


class DeviceImaging:
    """For a model on a GPU: only bytes of whole frames travel, there and back; see `Imaging`."""

    def __init__(self, device: torch.device):
        self._device = device

    def load(self, frames, size):
        """See `Imaging.load`; float32."""
        return torch.stack([compositing_torch.resize(self._upload(frame).float(), size).round() for frame in frames])

    def show(self, pictures, sizes):
        """See `Imaging.show`."""
        resized = map(compositing_torch.resize, pictures, sizes)
        return [_download(compositing_torch.to_uint8(picture)) for picture in resized]

    def composite(self, frames, future, before, after, options):
        """See `Imaging.composite`."""
        masks = compositing_torch.motion_mask(before, after, options)
        results = []
        for frame, picture, mask in zip(frames, compositing_torch.denoise(future, options), masks, strict=True):
            resized, mask = (compositing_torch.resize(each, frame.shape[:2]) for each in (picture, mask))
            results.append(_download(compositing_torch.composite(self._upload(frame), resized, mask)))
        return results

    def _upload(self, frame: np.ndarray) -> torch.Tensor:
        return torch.tensor(frame, device=self._device).permute(2, 0, 1)


def _views(pictures: torch.Tensor) -> np.ndarray:
    """float32 (N, h, w, 3), views of float32 (N, 3, h, w)."""
    return pictures.permute(0, 2, 3, 1).numpy()


def _download(frame: torch.Tensor) -> np.ndarray:
    return frame.permute(1, 2, 0).contiguous().cpu().numpy()
