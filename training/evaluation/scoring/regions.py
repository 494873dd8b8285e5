"""Scores inside and outside the moving region: most of a picture stands still, and hides errors where it matters."""

from __future__ import annotations

import cv2
import numpy as np

from framepred_ros.metrics import PSNR_OF_IDENTICAL, SMALLEST_SIDE

CHANGE = 20  # levels of 255 in any channel; JPEG noise stays below
DILATION = 5  # pixels, so that the edges of what moves count too


def moving_region(current: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Where the true future frame differs from the current one, dilated; frames uint8 RGB, the mask bool (H, W)."""
    changed = (cv2.absdiff(current, truth).max(axis=2) > CHANGE).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * DILATION + 1, 2 * DILATION + 1))
    return cv2.dilate(changed, kernel).astype(bool)


def region_psnr(picture: np.ndarray, truth: np.ndarray, region: np.ndarray) -> float | None:
    """PSNR in decibels with the MSE over the pixels of `region` (H, W); None for an empty region."""
    if not region.any():
        return None
    error = np.mean((picture[region].astype(np.float64) - truth[region]) ** 2)
    return PSNR_OF_IDENTICAL if error == 0 else min(float(10 * np.log10(255**2 / error)), PSNR_OF_IDENTICAL)


def region_ssim(ssim_map: np.ndarray, region: np.ndarray) -> float | None:
    """Mean of `ssim_with_map`'s map over `region`, windows that leave the image aside; None for an empty region."""
    edge = SMALLEST_SIDE // 2
    inner = np.s_[edge:-edge, edge:-edge]
    return float(ssim_map[inner][region[inner]].mean()) if region[inner].any() else None
