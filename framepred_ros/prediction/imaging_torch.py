"""Camera frames into a model that PyTorch runs and predicted frames out of it; on a GPU without leaving it."""

from __future__ import annotations

import numpy as np
import torch

from framepred_ros.prediction import compositing_torch
from framepred_ros.prediction.imaging import ArrayImaging


class HostImaging(ArrayImaging):
    """For a model on the CPU; see `framepred_ros.prediction.imaging.Imaging`."""

    def load(self, frames, size):
        """See `Imaging.load`; uint8."""
        return torch.from_numpy(super().load(frames, size))

    def show(self, pictures, sizes):
        """See `Imaging.show`."""
        return super().show(pictures.numpy(), sizes)

    def composite(self, frames, future, before, after, options):
        """See `Imaging.composite`."""
        return super().composite(frames, future.numpy(), before.numpy(), after.numpy(), options)


class DeviceImaging:
    """For a model on a GPU: only bytes of whole frames travel, there and back; see `Imaging` there."""

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


def _download(frame: torch.Tensor) -> np.ndarray:
    return frame.permute(1, 2, 0).contiguous().cpu().numpy()
