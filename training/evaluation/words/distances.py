"""How near each prediction lies to each possible future, in the pixels where the futures differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framepred_ros.metrics import SMALLEST_SIDE, ssim_with_map
from training.evaluation.scoring.regions import region_ssim
from training.evaluation.words.choices import changed, differing_region

Matrix = list[list[float | None]]


def distances_to_futures(pictures: Sequence[np.ndarray], futures: Sequence[np.ndarray]) -> dict[str, Any]:
    """Distances of P predictions from K futures, all uint8 RGB (H, W, 3).

    Returns:
        "mse" and "ssim", (P, K) each, over the pixels where any two futures differ. SSIM is None where no window lies
        inside the picture.
    """
    region = differing_region(futures)
    mse = [[_mse(picture, future, region) for future in futures] for picture in pictures]
    rows, columns = _window(region)
    inside = region[rows, columns]
    ssim = [
        [_ssim(picture[rows, columns], future[rows, columns], inside) for future in futures] for picture in pictures
    ]
    return {"mse": mse, "ssim": ssim}


def distances_in_pairs(pictures: Sequence[np.ndarray], futures: Sequence[np.ndarray]) -> Matrix:
    """Entry (i, j) is how much farther prediction i is from future j than from future i, where these two differ.

    The difference of two mean squared errors; None on the diagonal, and where the two do not differ.
    """
    count = len(futures)
    matrix: Matrix = [[None] * count for _ in range(count)]
    for one in range(count):
        for other in range(count):
            region = changed(futures[one], futures[other])
            if one != other and region.any():
                right = _mse(pictures[one], futures[one], region)
                matrix[one][other] = _mse(pictures[one], futures[other], region) - right
    return matrix


def moved_share(pictures: Sequence[np.ndarray], current: np.ndarray) -> list[float]:
    """Share of each picture that differs from the current frame by more than noise."""
    return [float(changed(picture, current).mean()) for picture in pictures]


def _mse(picture: np.ndarray, future: np.ndarray, region: np.ndarray) -> float:
    return float(np.mean((picture[region].astype(np.float64) - future[region]) ** 2))


def _window(region: np.ndarray) -> tuple[slice, slice]:
    """The box of a region with all windows of SSIM around its pixels, as far as they are in the picture."""
    slices = []
    for axis, length in enumerate(region.shape):
        inside = np.flatnonzero(region.any(axis=1 - axis))
        first, last = inside[0] - SMALLEST_SIDE // 2, inside[-1] + SMALLEST_SIDE // 2 + 1
        first, last = max(0, min(first, length - SMALLEST_SIDE)), min(length, max(last, SMALLEST_SIDE))
        slices.append(slice(int(first), int(last)))
    return slices[0], slices[1]


def _ssim(picture: np.ndarray, future: np.ndarray, region: np.ndarray) -> float | None:
    return region_ssim(ssim_with_map(np.ascontiguousarray(picture), np.ascontiguousarray(future))[1], region)
