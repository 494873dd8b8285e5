"""What the node counts about each camera: rates, latency, lost frames. No ROS in it."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np


class Drop(str, Enum):
    """Why no prediction was made from a frame."""

    SUPERSEDED = "a newer frame came first"
    NOT_WATCHED = "nobody subscribes"
    PAUSED = "paused"
    NO_INSTRUCTION = "no instruction"
    UNUSABLE = "unusable message"
    REFUSED = "refused by the model"
    FAILED = "prediction failed"
    UNPUBLISHED = "could not be published"


@dataclass(frozen=True)
class Summary:
    """A camera's figures; those that are about a time span are about the window.

    Attributes:
        input_rate, output_rate: frames received and predictions made, in hertz.
        age: seconds since the last frame arrived; None before the first.
        latency_median, latency_p95: seconds from a frame's arrival to the publication of its prediction; None
            without predictions.
        dropped: frames without a prediction since the start, by reason.
        recent: the last drop for each reason within the window, with what was said about it.
    """

    input_rate: float
    output_rate: float
    age: float | None
    latency_median: float | None
    latency_p95: float | None
    dropped: dict[Drop, int]
    recent: dict[Drop, str]


class CameraStatistics:
    """Counts a camera's frames over a rolling window; any thread may report and ask.

    Args:
        window: seconds.
        clock: returns seconds.
    """

    def __init__(self, window: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._window, self._clock = window, clock
        self._lock = threading.Lock()
        self._started = clock()
        self._last_frame: float | None = None
        self._frames: deque[float] = deque()
        self._predictions: deque[tuple[float, float]] = deque()  # time, latency
        self._dropped: Counter[Drop] = Counter()
        self._recent: dict[Drop, tuple[float, str]] = {}

    def frame_received(self) -> None:
        """Count a frame from the camera."""
        with self._lock:
            self._last_frame = self._clock()
            self._frames.append(self._last_frame)
            self._forget_old()

    def prediction_made(self, latency: float) -> None:
        """Count a published prediction; latency in seconds."""
        with self._lock:
            self._predictions.append((self._clock(), latency))
            self._forget_old()

    def frame_dropped(self, reason: Drop, detail: str = "") -> None:
        """Count a frame that no prediction is made from."""
        with self._lock:
            self._dropped[reason] += 1
            self._recent[reason] = (self._clock(), detail)

    def summary(self) -> Summary:
        """Return the figures as they are now."""
        with self._lock:
            self._forget_old()
            now = self._clock()
            span = max(1.0, min(self._window, now - self._started))  # no rate from a fraction of a second
            latencies = [latency for _, latency in self._predictions]
            median, p95 = np.percentile(latencies, (50, 95)).tolist() if latencies else (None, None)
            return Summary(
                input_rate=len(self._frames) / span,
                output_rate=len(self._predictions) / span,
                age=None if self._last_frame is None else now - self._last_frame,
                latency_median=median,
                latency_p95=p95,
                dropped=dict(self._dropped),
                recent={
                    reason: detail for reason, (when, detail) in self._recent.items() if when >= now - self._window
                },
            )

    def _forget_old(self) -> None:
        oldest = self._clock() - self._window
        while self._frames and self._frames[0] < oldest:
            self._frames.popleft()
        while self._predictions and self._predictions[0][0] < oldest:
            self._predictions.popleft()
