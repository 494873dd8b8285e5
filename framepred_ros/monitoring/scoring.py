"""How well one prediction came true: SSIM and PSNR beside copying, and how surprising the worst place is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from framepred_ros.metrics import psnr, ssim

SMOOTHING = 1 / 64  # of the picture's width: about the size of what a gripper holds
NOISE_LEVEL = 10.0  # levels of 0..255: errors below it are everywhere, and surprise nobody


@dataclass(frozen=True)
class MonitorScore:
    """One prediction compared with the frame that came true, at the size at which the monitor keeps pictures.

    Attributes:
        stamp_ns: stamp of the frame that was predicted from, nanoseconds.
        ssim, psnr: of the prediction; -1..1 and decibels (`framepred_ros.metrics`).
        copy_ssim, copy_psnr: of the frame that was predicted from, taken as the prediction.
        surprise: see `surprise`; 0 or more.
    """

    stamp_ns: int
    ssim: float
    psnr: float
    copy_ssim: float
    copy_psnr: float
    surprise: float

    @property
    def ssim_gain(self) -> float:
        """How much better than copying; about 0 in a scene that hardly moves, which is no failure."""
        return self.ssim - self.copy_ssim

    @property
    def psnr_gain(self) -> float:
        """How much better than copying, decibels."""
        return self.psnr - self.copy_psnr


def score_prediction(stamp_ns: int, current: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> MonitorScore:
    """Compare a prediction with what came; all pictures are RGB uint8 (height, width, 3) of one size."""
    return MonitorScore(
        stamp_ns,
        ssim(predicted, actual),
        psnr(predicted, actual),
        ssim(current, actual),
        psnr(current, actual),
        surprise(predicted, actual),
    )


def surprise(predicted: np.ndarray, actual: np.ndarray) -> float:
    """The worst place's error as a multiple of the whole picture's.

    A motion that comes sooner or later than predicted is wrong in many places at once. Where the arms are as predicted
    and one thing is not, such as a block that is no longer in the gripper, one compact place is wrong and the rest is
    right: no mean over the picture shows that.

    Args:
        predicted, actual: RGB uint8 (height, width, 3).

    Returns:
        the maximum of the smoothed absolute error over the root mean square error plus `NOISE_LEVEL`.
    """
    error = cv2.absdiff(predicted, actual).astype(np.float32).mean(axis=2)
    peak = float(cv2.GaussianBlur(error, (0, 0), SMOOTHING * error.shape[1]).max())
    return peak / (float(np.sqrt(np.mean(error**2))) + NOISE_LEVEL)
