"""A predictor whose frames stay on the device predicts what one with OpenCV does. On the CPU here, where both run."""

import cv2
import numpy as np
import pytest
import torch
from tiny_checkpoint import make_tiny_checkpoint, make_tiny_full_checkpoint

from framepred_ros import FramePredictor
from framepred_ros.prediction.checkpoint import shipped_checkpoint
from framepred_ros.prediction.imaging_torch import DeviceImaging

INSTRUCTIONS = ["hit the block with the hammer", "stack the black block on the red block"]


def make_frame(height: int, width: int, seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def both(folder) -> tuple[FramePredictor, FramePredictor]:
    host, device = (FramePredictor.from_pretrained(folder, "cpu", engine="fast") for _ in range(2))
    device.imaging = DeviceImaging(torch.device("cpu"))
    return host, device


def assert_alike(frames, others):
    for frame, other in zip(frames, others, strict=True):
        assert (frame.shape, frame.dtype, frame.flags.c_contiguous) == (other.shape, np.uint8, True)
        difference = np.abs(frame.astype(int) - other)
        assert difference.max() <= 3 and (difference > 1).mean() < 1e-3


@pytest.mark.parametrize("make", [make_tiny_checkpoint, make_tiny_full_checkpoint])
def test_frames_of_any_size_come_out_alike(tmp_path, make):
    host, device = both(make(tmp_path))
    for sizes in ([(64, 64), (240, 320)], [(90, 70), (100, 200)]):
        frames = [make_frame(*size, seed) for seed, size in enumerate(sizes)]
        assert_alike(device.predict_batch(frames, INSTRUCTIONS), host.predict_batch(frames, INSTRUCTIONS))
        assert_alike([device.reconstruct(frames[1])], [host.reconstruct(frames[1])])


def test_the_shipped_checkpoints_predictions_are_alike():
    host, device = both(shipped_checkpoint())
    frames = [make_frame(240, 320, 1), make_frame(480, 640, 2)]
    frames[1].flags.writeable = False  # as a view of a message is
    assert_alike(device.predict_batch(frames, INSTRUCTIONS), host.predict_batch(frames, INSTRUCTIONS))
