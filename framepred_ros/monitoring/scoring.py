"""How well one prediction came true: SSIM and PSNR, the same for copying, and the unexplained change so far."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MonitorScore:
    """One prediction compared with the frame that came true, at the size at which the monitor keeps pictures.

    Attributes:
        stamp_ns: stamp of the frame that was predicted from, nanoseconds.
        ssim, psnr: of the prediction; -1..1 and decibels (`framepred_ros.metrics`).
        copy_ssim, copy_psnr: of the frame that was predicted from, taken as the prediction.
        surprise: the most lasting unexplained change up to here (`Surprise`); 0 or more.
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
