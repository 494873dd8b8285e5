"""How far the red block of a prediction lies from where it really was."""

from __future__ import annotations

import cv2
import numpy as np

SMALLEST_AREA = 40  # pixels
_HUE_WIDTH = 8  # of OpenCV's 180; red lies around 0
_LEAST_SATURATION, _LEAST_VALUE = 130, 60  # of 255


def find_red_block(picture: np.ndarray) -> tuple[float, float] | None:
    """Centroid (x, y) in pixels of the saturated red pixels of a frame, uint8 RGB (H, W, 3); None if hardly any.

    All three of the paper's tasks have one red block. (Black, the second block of blocks_stack_easy, is the grippers'
    colour too and cannot be told apart.) Hidden parts shift the centroid, in the truth and in a prediction alike.
    """
    hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV))
    red = (hue < _HUE_WIDTH) | (hue >= 180 - _HUE_WIDTH)
    rows, columns = np.nonzero(red & (saturation >= _LEAST_SATURATION) & (value >= _LEAST_VALUE))
    return (float(columns.mean()), float(rows.mean())) if len(rows) >= SMALLEST_AREA else None


def block_scores(picture: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    """ "block_error": pixels between the predicted and the true block; "block_missing": 1 when the prediction has none.

    Both are None where the truth shows no block, the error also where the prediction shows none.
    """
    true = find_red_block(truth)
    found = find_red_block(picture) if true else None
    return {
        "block_error": float(np.hypot(found[0] - true[0], found[1] - true[1])) if true and found else None,
        "block_missing": float(found is None) if true else None,
    }
