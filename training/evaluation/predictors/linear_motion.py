"""Linear motion: what moved during the last few steps goes on moving the same way until the horizon."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from training.dataset.stored_pairs import read_frame, stored_frame
from training.evaluation.predictors.base import Pair, Prediction, Predictor

_SMALLEST_MOTION = 0.5  # pixels between the two frames; below it lies the noise of the flow


class LinearMotion(Predictor):
    """Extrapolates dense optical flow (OpenCV's DIS) from the frame `lookback` steps ago to the current one.

    Needs that earlier frame among the dataset's pictures; where it is missing, the current frame is the prediction. The
    value "fallback" is 1 for those pairs and 0 for the others.
    """

    def __init__(self, target: int, lookback: int = 5):
        self.target, self.lookback = target, lookback
        self._flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def predict(self, pairs: Sequence[Pair]) -> list[Prediction]:
        return [self._predict(pair) for pair in pairs]

    def _predict(self, pair: Pair) -> Prediction:
        row = pair.row
        path = stored_frame(row, row.frame - self.lookback)
        if path is None:
            return Prediction(pair.current, {"fallback": 1.0})
        height, width = pair.current.shape[:2]
        frames = (read_frame(path, (width, height)), pair.current)
        flow = self._flow.calc(*(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames), None)
        # The flow belongs to the pixels of the earlier frame, which are where they started.
        scale = (row.horizon or self.target) / self.lookback + 1
        return Prediction(_move(frames[0], pair.current, flow, scale), {"fallback": 0.0})


def _move(source: np.ndarray, onto: np.ndarray, flow: np.ndarray, scale: float) -> np.ndarray:
    """Paints the moving pixels of `source` (H, W, 3) onto a copy of `onto`, `scale` times their flow (H, W, 2) away."""
    height, width = source.shape[:2]
    rows, columns = np.nonzero(np.hypot(flow[..., 0], flow[..., 1]) > _SMALLEST_MOTION)
    target = np.rint(np.stack([rows, columns]) + scale * flow[rows, columns].T[::-1]).astype(int)
    inside = (target >= 0).all(axis=0) & (target[0] < height) & (target[1] < width)
    moved = onto.copy()
    moved[target[0, inside], target[1, inside]] = source[rows[inside], columns[inside]]
    return moved
