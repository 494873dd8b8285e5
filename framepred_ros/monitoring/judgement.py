"""A prediction's score, and when scores are bad: limits, given or learned, that the latest ones are held against."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

LEARNING, OK, ALERT = "learning", "ok", "alert"
# Times the worst in learning. Where a block visibly vanished in simulated episodes, the surprise was at least 1.69
# times that of the worst normal episode.
SSIM_MARGIN, SURPRISE_MARGIN = 1.3, 1.5
STRICTEST_SSIM, STRICTEST_SURPRISE = 0.9, 2.0  # a learned limit is never stricter, however well the learning went
STILL_SSIM = 0.98  # SSIM of copying above which nothing moves, so that there is nothing to learn
MEDIANS = ("ssim", "psnr", "ssim_gain", "psnr_gain")
RUNNING = (*MEDIANS, "surprise")


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


@dataclass(frozen=True)
class Limits:
    """The running SSIM at least, the surprise at most; None is not known yet."""

    lowest_ssim: float | None = None
    highest_surprise: float | None = None

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to learn."""
        return None not in (self.lowest_ssim, self.highest_surprise)


class Judgement:
    """Judges the medians of the latest scores, so that single bad frames do not count.

    A limit is learned as the worst value seen in learning, and a margin: what a robot normally does includes moments
    that no model predicts, such as the start of a motion, and those set the limit.

    Args:
        window: how many scores a median is taken over.
        learning: from how many scores, of a scene that moves, limits are learned.
        given: limits that are not to be learned.
    """

    def __init__(self, window: int, learning: int, given: Limits) -> None:
        self._learning, self._given = learning, given
        self._window: deque[MonitorScore] = deque(maxlen=window)
        self.reset(relearn=True)

    def reset(self, relearn: bool) -> None:
        """Forget the latest scores, and with `relearn` what was learned."""
        self._window.clear()
        self.running: dict[str, float] = {}
        self.reason = ""
        if relearn:
            self.limits, self._scores = self._given, 0
            self._worst_ssim, self._worst_surprise = 1.0, 0.0
        self.state = OK if self.limits.complete else LEARNING

    def add(self, score: MonitorScore) -> None:
        """Take in the next score and judge anew."""
        self._window.append(score)
        self.running = {name: float(np.median([getattr(each, name) for each in self._window])) for name in MEDIANS}
        self.running["surprise"] = score.surprise
        if self.state == LEARNING:
            self._learn(score)
        elif len(self._window) == self._window.maxlen:
            self.reason = self._violation()
            self.state = ALERT if self.reason else OK

    def _learn(self, score: MonitorScore) -> None:
        self._scores += score.copy_ssim < STILL_SSIM
        if len(self._window) < self._window.maxlen:
            return
        self._worst_ssim = min(self._worst_ssim, self.running["ssim"])
        self._worst_surprise = max(self._worst_surprise, self.running["surprise"])
        if self._scores >= self._learning:
            learned = Limits(
                min(STRICTEST_SSIM, 1 - SSIM_MARGIN * (1 - self._worst_ssim)),
                max(STRICTEST_SURPRISE, SURPRISE_MARGIN * self._worst_surprise),
            )
            given = {name: value for name, value in vars(self._given).items() if value is not None}
            self.limits, self.state = replace(learned, **given), OK

    def _violation(self) -> str:
        ssim, lowest = self.running["ssim"], self.limits.lowest_ssim
        if ssim < lowest:
            return f"the picture is not as predicted: SSIM {ssim:.2f}, below {lowest:.2f}"
        surprise, highest = self.running["surprise"], self.limits.highest_surprise
        if surprise > highest:
            return f"one place is neither as predicted nor as before: {surprise:.1f}, above {highest:.1f}"
        return ""
