"""When scores are bad: limits, given or learned from normal operation, and the medians that are held against them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from framepred_ros.monitoring.scoring import MonitorScore

LEARNING, OK, ALERT = "learning", "ok", "alert"
MARGIN = 0.15  # of the range between a perfect score and the worst median in learning, beyond that median
RUNNING = ("ssim", "psnr", "ssim_gain", "psnr_gain", "surprise")


@dataclass(frozen=True)
class Limits:
    """What running medians may be: SSIM at least, surprise at most; None is not known yet."""

    lowest_ssim: float | None = None
    highest_surprise: float | None = None

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to learn."""
        return None not in (self.lowest_ssim, self.highest_surprise)


class Judgement:
    """Judges the medians of the latest scores, so that single bad frames do not count.

    A limit is learned as the worst median seen in learning, and a margin: what a robot normally does includes moments
    that no model predicts, such as the start of a motion, and those set the limit.

    Args:
        window: how many scores a median is taken over.
        learning: how many scores limits are learned from.
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
            self.limits = self._given
            self._seen = 0
            self._worst = {"ssim": 1.0, "surprise": 0.0}
        self.state = OK if self.limits.complete else LEARNING

    def add(self, score: MonitorScore) -> None:
        """Take in the next score and judge anew."""
        self._window.append(score)
        self.running = {name: float(np.median([getattr(each, name) for each in self._window])) for name in RUNNING}
        full = len(self._window) == self._window.maxlen
        if self.state == LEARNING:
            self._learn(full)
        elif full:
            self.reason = self._violation()
            self.state = ALERT if self.reason else OK

    def _learn(self, full: bool) -> None:
        self._seen += 1
        if full:
            self._worst["ssim"] = min(self._worst["ssim"], self.running["ssim"])
            self._worst["surprise"] = max(self._worst["surprise"], self.running["surprise"])
        if self._seen >= self._learning and full:
            learned = Limits(
                1 - (1 + MARGIN) * (1 - self._worst["ssim"]),
                (1 + MARGIN) * self._worst["surprise"],
            )
            given = {name: value for name, value in vars(self._given).items() if value is not None}
            self.limits = replace(learned, **given)
            self.state = OK

    def _violation(self) -> str:
        ssim, lowest = self.running["ssim"], self.limits.lowest_ssim
        if ssim < lowest:
            return f"the picture is not as predicted: SSIM {ssim:.2f}, below {lowest:.2f}"
        surprise, highest = self.running["surprise"], self.limits.highest_surprise
        if surprise > highest:
            return f"one place of the picture is not as predicted: surprise {surprise:.1f}, above {highest:.1f}"
        return ""
