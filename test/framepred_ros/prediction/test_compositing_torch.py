"""Compositing on a device gives what OpenCV gives: on the CPU, and on a GPU where there is one."""

import cv2
import numpy as np
import pytest
import torch

from framepred_ros.pictures import resize_frame
from framepred_ros.prediction import compositing, compositing_torch
from framepred_ros.prediction.compositing import Compositing

SIZE = (48, 64)
OPTIONS = [
    Compositing(),
    Compositing(threshold=6, softness=16, smoothing=2, dilation=0, feather=1, denoising=60, denoising_radius=8),
    Compositing(threshold=0, softness=1, smoothing=0, dilation=5, feather=0, denoising=10, denoising_radius=1),
    Compositing(smoothing=0.4, dilation=1, feather=3.3, denoising=200, denoising_radius=20),
    Compositing(denoising=60, denoising_radius=12, denoising_stride=4),
    Compositing(denoising=40, denoising_radius=20, denoising_stride=5),
]


@pytest.fixture(params=["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request) -> str:
    return "cpu" if request.param == "cpu" else request.getfixturevalue("gpu")


def scenes(seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Blurred noise, and the same with a changed part: float32 (H, W, 3) in 0..255."""
    generator = np.random.default_rng(seed)
    now = cv2.GaussianBlur(generator.uniform(0, 255, (*SIZE, 3)).astype(np.float32), (0, 0), 2)
    after = now.copy()
    after[10:30, 20:50] += generator.normal(0, 40, (20, 30, 3))
    return now, after.clip(0, 255)


def tensor(image: np.ndarray, device: str) -> torch.Tensor:
    return torch.from_numpy(image.reshape(*image.shape[:2], -1).transpose(2, 0, 1).copy()).to(device)


def picture(image: torch.Tensor) -> np.ndarray:
    return image.cpu().numpy().transpose(1, 2, 0).squeeze()


@pytest.mark.parametrize("options", OPTIONS)
def test_mask_and_denoising_are_those_of_opencv(options, device):
    now, after = scenes()
    mask = compositing.motion_mask(now, after, options)
    batch = [torch.stack([tensor(each, device), tensor(each[::-1].copy(), device)]) for each in (now, after)]
    masks = compositing_torch.motion_mask(*batch, options)
    np.testing.assert_allclose(picture(masks[0]), mask, atol=1e-4)
    np.testing.assert_allclose(picture(masks[1]), compositing.motion_mask(now[::-1], after[::-1], options), atol=1e-4)
    smooth = compositing_torch.denoise(batch[1], options)[0]
    expected = compositing.denoise(compositing.to_uint8(after), np.ones(SIZE, np.float32), options)
    difference = np.abs(picture(smooth) - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01


@pytest.mark.parametrize("size", [(24, 32), (16, 64), (30, 50), (48, 64), (96, 128), (100, 70), (47, 63)])
def test_resizing_is_that_of_opencv(size, device):
    image, _ = scenes()
    expected = resize_frame(image, size)
    np.testing.assert_allclose(picture(compositing_torch.resize(tensor(image, device), size)), expected, atol=0.05)


def test_blending_is_the_same(device):
    now, after = scenes()
    camera = np.random.default_rng(1).integers(0, 256, now.shape, np.uint8)
    mask = compositing.motion_mask(now, after, Compositing())
    blended = compositing_torch.composite(*(tensor(each, device) for each in (camera, after, mask)))
    expected = compositing.composite(camera, compositing.to_uint8(after), mask)
    assert np.abs(picture(blended).astype(int) - expected).max() <= 1
    assert blended.dtype == torch.uint8


@pytest.mark.parametrize("options", OPTIONS)
def test_everything_stays_on_the_device(options):
    """The device "meta" is always there, and PyTorch refuses to mix it with another."""
    frames = torch.empty(2, 3, *SIZE, device="meta")
    mask = compositing_torch.motion_mask(frames, frames, options)
    future = compositing_torch.resize(compositing_torch.denoise(frames, options), (96, 128))[0]
    camera = torch.empty(3, 96, 128, dtype=torch.uint8, device="meta")
    frame = compositing_torch.composite(camera, future, compositing_torch.resize(mask, (96, 128))[0])
    assert (frame.device.type, frame.dtype, frame.shape) == ("meta", torch.uint8, (3, 96, 128))
