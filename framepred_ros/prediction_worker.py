"""The thread that owns the model: it loads it and predicts from the newest frame, beside the ROS executor."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from std_msgs.msg import Header

from framepred_ros.latest_slot import LatestSlot

if TYPE_CHECKING:
    from framepred_ros.predictor import FramePredictor

REPORT_PERIOD = 10.0  # seconds between two lines about the prediction rate


@dataclass(frozen=True)
class Frame:
    """A camera frame to predict from: RGB uint8 (height, width, 3), its header and the instruction of that moment."""

    header: Header
    rgb: np.ndarray
    instruction: str


@dataclass(frozen=True)
class PredictionSettings:
    """What may change from one prediction to the next: steps and seed as FramePredictor takes them, rate in hertz."""

    steps: int | None
    seed: int
    max_rate: float


class PredictionWorker:
    """One thread for all of torch's work, fed through a one-frame slot.

    Args:
        load: returns the predictor; runs in the thread, so that the import of torch does, too.
        publish: takes the header of a frame and the RGB picture predicted from it; runs in the thread.
        settings: read before every prediction.
        logger: an rclpy logger.
    """

    def __init__(
        self,
        load: Callable[[], FramePredictor],
        publish: Callable[[Header, np.ndarray], None],
        settings: Callable[[], PredictionSettings],
        logger: Any,
    ) -> None:
        self.loaded: Future[FramePredictor] = Future()
        self._load = load
        self._publish = publish
        self._settings = settings
        self._logger = logger
        self._slot: LatestSlot[Frame] = LatestSlot()
        self._stopping = threading.Event()
        self._passed_over = 0
        self._durations: list[float] = []
        self._reported = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="prediction", daemon=True)
        self._thread.start()

    def put(self, frame: Frame) -> None:
        """Offer a frame; it replaces one that still waits."""
        self._passed_over += self._slot.put(frame)

    def forget_frame(self) -> None:
        """Drop the frame that waits, if there is one."""
        self._slot.clear()

    def stop(self, timeout: float | None = None) -> None:
        """End the thread and wait for it, at most for the timeout (seconds): torch cannot be interrupted."""
        self._stopping.set()
        self.loaded.cancel()
        self._slot.close()
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            predictor = self._load()
        except Exception as error:
            self._logger.debug(traceback.format_exc())
            if self.loaded.set_running_or_notify_cancel():
                self.loaded.set_exception(error)
            return
        if self.loaded.set_running_or_notify_cancel():
            self.loaded.set_result(predictor)
        self._reported = time.monotonic()
        while (frame := self._slot.take()) is not None:
            started = time.monotonic()
            settings = self._settings()
            self._predict(predictor, frame, settings)
            self._report(time.monotonic() - started)
            if settings.max_rate > 0:
                # Waiting before the next frame is taken keeps that frame the newest one.
                self._stopping.wait(max(0.0, started + 1 / settings.max_rate - time.monotonic()))

    def _predict(self, predictor: FramePredictor, frame: Frame, settings: PredictionSettings) -> None:
        try:
            future = predictor.predict(frame.rgb, frame.instruction, steps=settings.steps, seed=settings.seed)
        except ValueError as error:
            self._logger.warning(f"Frame dropped, the model refuses it: {error}", throttle_duration_sec=5.0)
        except Exception as error:  # out of memory, for instance: the next frame may go well
            self._logger.debug(traceback.format_exc())
            self._logger.error(f"Prediction failed: {type(error).__name__}: {error}", throttle_duration_sec=5.0)
        else:
            self._publish(frame.header, future)

    def _report(self, duration: float) -> None:
        self._durations.append(duration)
        elapsed = time.monotonic() - self._reported
        if elapsed < REPORT_PERIOD:
            return
        count, busy = len(self._durations), sum(self._durations)
        self._logger.info(
            f"{count / elapsed:.1f} predictions per second, {1000 * busy / count:.0f} ms each; "
            f"{self._passed_over} frames passed over for newer ones"
        )
        self._reported, self._durations, self._passed_over = time.monotonic(), [], 0
