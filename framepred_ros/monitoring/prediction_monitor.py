"""The monitor: keeps predictions until the camera shows the moment that they were made for, scores and judges them."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from framepred_ros.metrics import SMALLEST_SIDE, psnr, ssim
from framepred_ros.monitoring.judgement import LEARNING, Judgement, Limits, MonitorScore
from framepred_ros.monitoring.surprise import Surprise
from framepred_ros.pictures import resize_frame

NANOSECONDS = 10**9
KEPT_HORIZONS = 4  # what has been learned of so many is kept


@dataclass(frozen=True)
class MonitorOptions:
    """How the monitor works.

    Attributes:
        horizon: seconds from the frame that was predicted from to the moment that was predicted, where a prediction
            does not say otherwise; above 0.
        tolerance: most seconds between that moment and the frame that counts as it; half of a slow camera's period.
        rate: most predictions scored per second. A score takes some 30 ms of one core, and the monitor never keeps more
            than `horizon * rate + 1` predictions.
        window: how many of the latest scores are judged together, by medians: an alert takes half of them.
        learning: how many scores the limits are learned from, those of a still scene not counted. They should see all
            that the robot normally does.
        lowest_ssim, highest_surprise: given limits; None is learned.
        largest_side: pixels; pictures are kept and scored at most this large.

    Raises:
        ValueError: a value out of range; the message names it.
    """

    horizon: float
    tolerance: float = 0.05
    rate: float = 5.0
    window: int = 11
    learning: int = 200
    lowest_ssim: float | None = None
    highest_surprise: float | None = None
    largest_side: int = 320

    def __post_init__(self) -> None:
        for name in ("horizon", "rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.tolerance < self.horizon:
            raise ValueError(f"tolerance must be at least 0 and below the horizon, not {self.tolerance}")
        for name, lowest in (("window", 1), ("learning", self.window), ("largest_side", 64)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} must be at least {lowest}, not {getattr(self, name)}")


@dataclass(frozen=True)
class _Pending:
    """A prediction whose moment has not come; pictures RGB uint8 at the kept size."""

    stamp_ns: int
    horizon_ns: int
    current: np.ndarray
    predicted: np.ndarray

    @property
    def due_ns(self) -> int:
        """When the camera shows what was predicted."""
        return self.stamp_ns + self.horizon_ns


class _Track:
    """What is judged together: scores of one horizon, since a longer one is harder."""

    def __init__(self, options: MonitorOptions) -> None:
        self.surprise = Surprise(options.window)
        limits = Limits(options.lowest_ssim, options.highest_surprise)
        self.judgement = Judgement(options.window, options.learning, limits)

    def reset(self, relearn: bool) -> None:
        self.surprise.reset()
        self.judgement.reset(relearn)


class PredictionMonitor:
    """Scores predictions when the frame that they predicted arrives, and says when they stop coming true.

    It has no clock of its own and takes time from the frames' stamps. Calls from several threads take turns; only an
    `add_frame` that returns a score takes long. It keeps at most `capacity` predictions of two pictures each (460 kB at
    320x240). Predictions of another horizon than before are learned and judged anew; what was learned of the last
    `KEPT_HORIZONS` horizons is remembered.

    Attributes:
        missed: for how many predictions no frame came within the tolerance.
        latest: what judges the latest score; `state` and the like are of the latest prediction's horizon.
    """

    def __init__(self, options: MonitorOptions) -> None:
        self.options = options
        self.missed = 0
        self._lock = threading.Lock()
        self._tolerance_ns = round(options.tolerance * NANOSECONDS)
        self._spacing_ns = round(NANOSECONDS / options.rate)
        self._pending: list[_Pending] = []
        self._first_ns: int | None = None  # stamp of the first frame since the last reset
        self._previous: tuple[int, np.ndarray] | None = None
        self._horizon_ns = round(options.horizon * NANOSECONDS)  # of the latest prediction
        self._tracks: dict[int, _Track] = {}  # by horizon, the one that was used last at the end
        self.latest = self._track(self._horizon_ns).judgement

    @property
    def capacity(self) -> int:
        """How many predictions are kept at most."""
        longest = max([self._horizon_ns, *(each.horizon_ns for each in self._pending)])
        return int(longest / NANOSECONDS * self.options.rate) + 1

    @property
    def state(self) -> str:
        """`learning` (limits are still being learned), `ok` or `alert`."""
        return self._judgement.state

    @property
    def reason(self) -> str:
        """Why the state is `alert`, as a sentence; empty otherwise."""
        return self._judgement.reason

    @property
    def running(self) -> dict[str, float]:
        """Medians of the latest scores, by name: ssim, psnr, ssim_gain, psnr_gain, surprise; empty at first."""
        return self._judgement.running

    @property
    def limits(self) -> Limits | None:
        """The limits in force; None while they are learned. Give them to a later monitor to skip its learning."""
        return None if self.state == LEARNING else self._judgement.limits

    @property
    def _judgement(self) -> Judgement:
        return self._tracks[self._horizon_ns].judgement

    def _track(self, horizon_ns: int) -> _Track:
        """Return a horizon's track, a new one if need be; forget that of a horizon that was not used for long."""
        track = self._tracks[horizon_ns] = self._tracks.pop(horizon_ns, None) or _Track(self.options)
        kept = {self._horizon_ns, horizon_ns}
        for other in [each for each in self._tracks if each not in kept][: max(0, len(self._tracks) - KEPT_HORIZONS)]:
            del self._tracks[other]
        return track

    def add_prediction(
        self, stamp_ns: int, current: np.ndarray, predicted: np.ndarray, horizon: float | None = None
    ) -> None:
        """Keep a prediction until its moment comes.

        Ignored when it follows the last one too closely (`rate`), or is of a frame from before the last reset.

        Args:
            stamp_ns: stamp of `current`, nanoseconds.
            current: the frame that was predicted from, RGB uint8 (height, width, 3).
            predicted: the prediction, same size.
            horizon: seconds that it looks ahead; the options' if None.
        """
        horizon_ns = round((self.options.horizon if horizon is None else horizon) * NANOSECONDS)
        with self._lock:
            if self._first_ns is None or not self._first_ns <= stamp_ns <= self._previous[0]:
                return
            if self._pending and stamp_ns < self._pending[-1].stamp_ns + self._spacing_ns:
                return
            self._horizon_ns = horizon_ns
            self._track(horizon_ns)
            kept = [self._shrink(picture) for picture in (current, predicted)]
            self._pending.append(_Pending(stamp_ns, horizon_ns, *kept))
            del self._pending[: -self.capacity]

    def add_frame(self, stamp_ns: int, frame: np.ndarray) -> MonitorScore | None:
        """Take in a camera frame; return the score of the prediction whose moment has come, if there is one.

        Every camera frame belongs here, in order: of the two frames around the predicted moment the nearer one counts.
        A stamp before the last one (the clock jumped, a bag started again) resets the monitor; so does another size,
        which also makes it learn anew.

        Args:
            stamp_ns: the frame's stamp, nanoseconds.
            frame: RGB uint8 (height, width, 3); the caller does not change it afterwards.
        """
        with self._lock:
            previous = self._previous
            if previous is not None and previous[1].shape != frame.shape:
                self._reset(relearn=True)
            elif previous is not None and stamp_ns < previous[0]:
                self._reset()
            if self._first_ns is None:
                self._first_ns = stamp_ns
            candidates = [each for each in (self._previous, (stamp_ns, frame)) if each is not None]
            self._previous = (stamp_ns, frame)
            due = self._take_due(stamp_ns)
            if due is None:
                return None
            found_ns, actual = min(candidates, key=lambda each: abs(each[0] - due.due_ns))
            if abs(found_ns - due.due_ns) > self._tolerance_ns:
                self.missed += 1
                return None
            return self._score(due, self._shrink(actual))

    def reset(self, relearn: bool = False) -> None:
        """Forget all pending predictions and recent scores: the instruction changed, or the clock or camera did.

        Args:
            relearn: also forget what was learned.
        """
        with self._lock:
            self._reset(relearn)

    def _reset(self, relearn: bool = False) -> None:
        self._pending.clear()
        self._first_ns = self._previous = None
        for track in self._tracks.values():
            track.reset(relearn)

    def _score(self, due: _Pending, actual: np.ndarray) -> MonitorScore:
        track = self._track(due.horizon_ns)
        score = MonitorScore(
            due.stamp_ns,
            ssim(due.predicted, actual),
            psnr(due.predicted, actual),
            ssim(due.current, actual),
            psnr(due.current, actual),
            track.surprise.add(due.current, due.predicted, actual),
        )
        track.judgement.add(score)
        self.latest = track.judgement
        return score

    def _take_due(self, now_ns: int) -> _Pending | None:
        """Remove all predictions whose moment has come; return the latest, count the others as missed."""
        due = [each for each in self._pending if each.due_ns <= now_ns]
        if not due:
            return None
        self._pending = [each for each in self._pending if each.due_ns > now_ns]
        self.missed += len(due) - 1
        return max(due, key=lambda each: each.due_ns)

    def _shrink(self, picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        scale = min(1.0, self.options.largest_side / max(height, width))
        return resize_frame(
            picture, (max(SMALLEST_SIDE, round(height * scale)), max(SMALLEST_SIDE, round(width * scale)))
        )
