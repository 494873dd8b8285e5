"""What does not move is not redrawn: the prediction where something changes, the camera's own pixels elsewhere.

The camera is fixed, so most pixels of the future frame are already in the current one, and an autoencoder's round
trip would only blur them.
"""

import functools
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Compositing:
    """Where the prediction replaces the camera frame. Levels are of 0..255, lengths are pixels at model resolution.

    Attributes:
        threshold: smallest smoothed change, in levels, that counts as motion.
        softness: levels above the threshold over which the mask rises from 0 to 1.
        smoothing: standard deviation of the Gaussian that suppresses isolated changes before thresholding; 0 is none.
        dilation: radius by which the moving region grows; 0 is none.
        feather: standard deviation of the Gaussian that softens the mask's edge; 0 is none.
        denoising: differences, in levels, that a bilateral filter of the predicted frame smooths away; 0 is none. What
            a moving arm uncovers is mostly plain, and noise of a few levels there costs more SSIM than blurred edges.
        denoising_radius: radius of that filter.
        denoising_stride: with a stride above 1 that filter looks only at every such pixel of its radius in both
            directions, which makes it faster by the stride's square. A second pass looks at as many neighbours at a
            third of the stride, for two thirds of the differences (an edge-avoiding à-trous filter: Dammertz et al.,
            2010).
    """

    threshold: float = 6.0
    softness: float = 10.0
    smoothing: float = 1.5
    dilation: int = 3
    feather: float = 1.5
    denoising: float = 0.0
    denoising_radius: int = 6
    denoising_stride: int = 1

    def __post_init__(self):
        for name in ("threshold", "smoothing", "dilation", "feather", "denoising"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if not self.softness > 0:
            raise ValueError(f"softness must be more than 0, not {self.softness}")
        radius, stride = self.denoising_radius, self.denoising_stride
        if not (isinstance(radius, int) and 1 <= radius <= 20):
            raise ValueError(f"denoising_radius must be an integer between 1 and 20, not {radius}")
        if not (isinstance(stride, int) and 1 <= stride <= radius):
            raise ValueError(f"denoising_stride must be an integer between 1 and denoising_radius, not {stride}")

    @property
    def denoising_passes(self) -> tuple[tuple[int, int, float], ...]:
        """Stride, radius in strides, and differences smoothed away, of each pass of the bilateral filter."""
        stride = self.denoising_stride
        coarse = stride, self.denoising_radius // stride, self.denoising
        fine = max(1, stride // 3), self.denoising_radius // stride, self.denoising * 2 / 3
        return (coarse, fine) if stride > 1 else (coarse,)


def motion_mask(current: np.ndarray, predicted: np.ndarray, options: Compositing) -> np.ndarray:
    """Says how much of each pixel comes from the prediction.

    Args:
        current: the decoded current frame, float32 (H, W, 3) in 0..255; fastest as a view of (3, H, W).
        predicted: the decoded predicted frame, same shape. Both are decoded, so that what the autoencoder loses
            does not count as motion.

    Returns:
        float32 (H, W) in 0..1: 0 keeps the camera's pixel, 1 takes the prediction's.
    """
    channels = (cv2.absdiff(predicted[:, :, channel], current[:, :, channel]) for channel in range(3))
    change = functools.reduce(cv2.max, channels)  # NumPy's maximum over channels is slow
    if options.smoothing > 0:
        change = cv2.GaussianBlur(change, (0, 0), options.smoothing)
    if options.dilation > 0:
        size = 2 * int(options.dilation) + 1
        change = cv2.dilate(change, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    mask = np.clip((change - options.threshold) / options.softness, 0, 1)
    if options.feather > 0:
        mask = cv2.GaussianBlur(mask, (0, 0), options.feather)
    return mask


def moving_box(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the smallest rectangle that holds all of a mask's (H, W) values above 0; may be empty."""
    left, top, width, height = cv2.boundingRect((mask > 0).view(np.uint8))
    return slice(top, top + height), slice(left, left + width)


def denoise(predicted: np.ndarray, mask: np.ndarray, options: Compositing) -> np.ndarray:
    """Smooths plain areas of a predicted frame where it will be seen, and keeps its edges.

    Args:
        predicted: uint8 (H, W, 3). OpenCV filters bytes in half the time of floats.
        mask: float32 (H, W) from `motion_mask`; what lies outside its `moving_box` stays as it is.

    Returns:
        uint8 (H, W, 3).
    """
    rows, columns = moving_box(mask)
    if options.denoising == 0 or rows.stop == 0:
        return predicted
    margin = sum(stride * radius for stride, radius, _ in options.denoising_passes)
    top, left = max(0, rows.start - margin), max(0, columns.start - margin)
    smooth = predicted[top : rows.stop + margin, left : columns.stop + margin]
    for stride, radius, levels in options.denoising_passes:
        smooth = _bilateral(smooth, stride, radius, levels)
    result = predicted.copy()
    result[rows, columns] = smooth[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return result


def _bilateral(image: np.ndarray, stride: int, radius: int, levels: float) -> np.ndarray:
    """Filters each of the `stride` squared interleaved grids of an image, uint8 (H, W, 3), by itself."""
    image = np.ascontiguousarray(image)
    result = np.empty_like(image)
    pixels, filtered = (each.view("V3")[:, :, 0] for each in (image, result))  # NumPy copies whole pixels faster
    for row, column in np.ndindex(min(stride, image.shape[0]), min(stride, image.shape[1])):
        grid = np.ascontiguousarray(pixels[row::stride, column::stride]).view(np.uint8)
        smooth = cv2.bilateralFilter(grid.reshape(len(grid), -1, 3), 2 * radius + 1, levels, radius + 1)
        filtered[row::stride, column::stride] = smooth.view("V3")[:, :, 0]
    return result


def composite(camera: np.ndarray, predicted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Blends at the camera's resolution.

    Args:
        camera: uint8 (H, W, 3), the frame predicted from.
        predicted: uint8 (H, W, 3).
        mask: float32 (H, W) in 0..1.

    Returns:
        uint8 (H, W, 3), the camera's very pixels where the mask is 0.
    """
    result, box = camera.copy(), moving_box(mask)
    if mask[box].size:
        result[box] = cv2.blendLinear(predicted[box], camera[box], mask[box], 1 - mask[box])
    return result


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Rounds levels of 0..255 to uint8."""
    return cv2.convertScaleAbs(image)
