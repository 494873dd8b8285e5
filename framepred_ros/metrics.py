"""Image scores, as the paper reports them: SSIM and PSNR (section 4.3), over scikit-image.

Scores are for uint8 RGB images, so the data range is 255, and take in all three channels.
"""

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

PSNR_OF_IDENTICAL = 100.0
"""Identical images have no error and an infinite PSNR, which would swamp every mean; they count as this many dB."""

SMALLEST_SIDE = 7
"""Side of the window of SSIM, in pixels."""


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio, 10 log10(255^2 / MSE) with the MSE over all pixels and channels.

    Args:
        a, b: uint8 RGB (H, W, 3), the same size, at least 7x7.

    Returns:
        decibels, at most `PSNR_OF_IDENTICAL`.

    Raises:
        ValueError: wrong dtype or shape, or sizes that differ.
    """
    _check(a, b)
    if np.array_equal(a, b):
        return PSNR_OF_IDENTICAL
    return min(float(peak_signal_noise_ratio(a, b, data_range=255)), PSNR_OF_IDENTICAL)


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity: the mean over pixels and channels, with scikit-image's default 7x7 uniform window.

    Args:
        a, b: uint8 RGB (H, W, 3), the same size, at least 7x7.

    Returns:
        1 for identical images; it can be negative.

    Raises:
        ValueError: wrong dtype or shape, or sizes that differ.
    """
    return ssim_with_map(a, b)[0]


def ssim_with_map(a: np.ndarray, b: np.ndarray) -> tuple[float, np.ndarray]:
    """What `ssim` gives, and the similarity of each pixel's 7x7 window, averaged over channels, float (H, W).

    `ssim` is the mean of the map without its outermost `SMALLEST_SIDE // 2` pixels, whose windows leave the image.
    """
    _check(a, b)
    # Channel by channel: how a colour picture is announced changed between scikit-image 0.18 (Ubuntu 22.04) and 0.19.
    channels = [structural_similarity(a[..., c], b[..., c], data_range=255, full=True) for c in range(3)]
    return float(np.mean([mean for mean, _ in channels])), np.mean([windows for _, windows in channels], axis=0)


def _check(a: np.ndarray, b: np.ndarray) -> None:
    for image in (a, b):
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            raise ValueError(f"an image must be a uint8 array, not {getattr(image, 'dtype', type(image).__name__)}")
        if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < SMALLEST_SIDE:
            raise ValueError(f"an image must have the shape (H, W, 3) with at least 7x7 pixels, not {image.shape}")
    if a.shape != b.shape:
        raise ValueError(f"the images differ in size: {a.shape} and {b.shape}")
