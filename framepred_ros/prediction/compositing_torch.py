"""What `compositing` does, on a GPU: frames stay there from the camera's bytes to the published ones.

The arithmetic is that of the OpenCV functions which that module calls, so that both give the same frame to a level of
255, and to three in a pixel of a thousand. On a CPU OpenCV is faster.
"""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F

from framepred_ros.prediction.compositing import Compositing


def resize(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resizes (..., H, W), float32, to `size` (height, width): by area down, linearly up."""
    height, width = images.shape[-2:]
    if (height, width) == tuple(size):
        return images
    area = size[0] * size[1] < height * width
    rows = _weights(height, size[0], area, images.device)
    columns = _weights(width, size[1], area, images.device)
    return rows @ images @ columns.T


@functools.lru_cache(maxsize=32)
def _weights(old: int, new: int, area: bool, device: torch.device) -> torch.Tensor:
    """The matrix (new, old), float32, that resizes one axis as OpenCV's INTER_AREA or INTER_LINEAR."""
    scale = old / new
    if area and scale >= 1:
        edges = torch.arange(new + 1, dtype=torch.float64) * scale
        pixels = torch.arange(old, dtype=torch.float64)
        overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
        return (overlap.clamp(min=0) / scale).float().to(device)
    centres = ((torch.arange(new, dtype=torch.float64) + 0.5) * scale - 0.5).clamp(0, old - 1)
    nearness = 1 - (centres[:, None] - torch.arange(old, dtype=torch.float64)).abs()
    return nearness.clamp(min=0).float().to(device)


def motion_mask(current: torch.Tensor, predicted: torch.Tensor, options: Compositing) -> torch.Tensor:
    """As `compositing.motion_mask`, for batches: float32 (N, 3, H, W) in 0..255 each; returns (N, 1, H, W) in 0..1."""
    change = (predicted - current).abs().amax(dim=1, keepdim=True)
    if options.smoothing > 0:
        change = _blur(change, options.smoothing)
    if options.dilation > 0:
        change = _dilate(change, int(options.dilation))
    mask = ((change - options.threshold) / options.softness).clamp(0, 1)
    return _blur(mask, options.feather) if options.feather > 0 else mask


def denoise(predicted: torch.Tensor, options: Compositing) -> torch.Tensor:
    """The bilateral filter of `compositing.denoise`, everywhere: float32 (N, 3, H, W) in 0..255, in whole levels."""
    predicted = predicted.round()
    if options.denoising == 0:
        return predicted
    for stride, radius, levels in options.denoising_passes:
        predicted = _bilateral(predicted, stride, radius, levels).round()
    return predicted


def _bilateral(images: torch.Tensor, stride: int, radius: int, levels: float) -> torch.Tensor:
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    squares = offsets[:, None] ** 2 + offsets**2
    spatial = torch.exp(-squares / (2 * (radius + 1) ** 2)) * (squares <= radius**2)
    rows, columns = (_neighbours(length, stride, radius, images.device) for length in images.shape[-2:])
    values, weights = torch.zeros_like(images), torch.zeros_like(images[:, :1])
    for row, nearness in zip(rows.T, spatial, strict=True):  # all neighbours at once would take 300 times the frame
        window = images[:, :, row][..., columns]
        difference = (window - images[..., None]).abs().sum(dim=1, keepdim=True)
        weight = nearness * torch.exp(-difference.square() / (2 * levels**2))
        values += (window * weight).sum(dim=-1)
        weights += weight.sum(dim=-1)
    return values / weights


@functools.lru_cache(maxsize=32)
def _neighbours(length: int, stride: int, radius: int, device: torch.device) -> torch.Tensor:
    """Indices (length, 2 * radius + 1) of each pixel's neighbours on its grid, mirrored at its ends as OpenCV does."""
    pixels = torch.arange(length)[:, None]
    phase, last = pixels % stride, (length - 1 - pixels % stride) // stride
    steps = (pixels // stride + torch.arange(-radius, radius + 1)).remainder((2 * last).clamp(min=1))
    return (phase + stride * torch.minimum(steps, 2 * last - steps)).to(device)


def composite(camera: torch.Tensor, predicted: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Blends at the camera's resolution: uint8, float32 in 0..255 (3, H, W), and the mask (1, H, W); returns uint8."""
    return to_uint8(camera + mask * (predicted - camera))


def to_uint8(image: torch.Tensor) -> torch.Tensor:
    """Rounds levels of 0..255 to uint8."""
    return image.round().clamp(0, 255).to(torch.uint8)


def _blur(image: torch.Tensor, deviation: float) -> torch.Tensor:
    """Gaussian blur of (N, 1, H, W), with the kernel's size that OpenCV chooses for floating point.

    By products with matrices: a convolution is done in TF32 by default on a GPU, with ten bits of each number.
    """
    rows, columns = (_blurring(length, deviation, image.device) for length in image.shape[-2:])
    return rows @ image @ columns.T


@functools.lru_cache(maxsize=32)
def _blurring(length: int, deviation: float, device: torch.device) -> torch.Tensor:
    """The matrix (length, length), float32, that blurs one axis, mirrored at its ends as OpenCV does."""
    radius = (round(deviation * 8 + 1) | 1) // 2
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-offsets.double().square() / (2 * deviation**2))
    places = _neighbours(length, 1, radius, torch.device("cpu"))
    weights = (kernel / kernel.sum()).expand(length, -1)
    return torch.zeros(length, length, dtype=torch.float64).scatter_add_(1, places, weights).float().to(device)


def _dilate(image: torch.Tensor, radius: int) -> torch.Tensor:
    """The largest value in an ellipse about each pixel of (N, 1, H, W): that of OpenCV's MORPH_ELLIPSE."""
    height, width = image.shape[-2:]
    padded = F.pad(image, (radius,) * 4, value=-math.inf)
    result = image
    for row in range(-radius, radius + 1):
        reach = round(radius * math.sqrt(1 - (row / radius) ** 2))
        strip = padded[..., radius + row : radius + row + height, radius - reach : radius + reach + width]
        result = torch.maximum(result, F.max_pool2d(strip, (1, 2 * reach + 1), stride=1))
    return result
