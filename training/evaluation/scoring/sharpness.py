"""How sharp a prediction is where things move, relative to the truth."""

from __future__ import annotations

import cv2
import numpy as np


def sharpness_ratio(picture: np.ndarray, truth: np.ndarray, region: np.ndarray) -> float | None:
    """Mean gradient magnitude of the picture over that of the truth inside `region`; None where there is none.

    1 is as sharp as the truth, a blurred picture lies below. Gradient magnitude (Sobel, on grey levels) and not the
    variance of the Laplacian, because the latter is ruled by single noisy pixels and by the JPEG grid. A ghost has
    edges too, so the ratio says nothing about their place: read it beside SSIM.
    """
    edges = [_gradient(image)[region] for image in (picture, truth)]
    total = float(edges[1].sum())
    return float(edges[0].sum()) / total if total > 0 else None


def _gradient(image: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.hypot(*(cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0)))
