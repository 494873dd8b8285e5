"""Cameras, model and outputs of a configured node.

A frame's way through the node, from top to bottom. It changes threads three times, each time at one place:

1. **Executor.** `CameraInput` gets a message and hands it, not decoded, to its `CameraChannel`, which makes a `Frame`
   of it, counts it and decides whether anybody wants a prediction. The frame belongs to that channel for good.
   Where the model is given a past, `PastFrames` gets it too, not decoded.
2. `NewestFrames`, the slot: **executor -> prediction thread** (first change). One frame per camera; a newer one
   replaces it. Nothing queues, and the executor never waits.
3. **Prediction thread.** `PredictionWorker` takes the frames that wait, as one batch. It reads the settings once for
   it, decodes the frames, asks their channels for the past, predicts, and tells each frame's channel what became of
   it: `publish`, or `drop` with a reason. Publishing is done in this thread; a frame that fails costs no other frame
   anything.
4. `CameraMonitor`, if predictions are checked, has a thread of its own and one queue in front of it. Every frame enters
   it at its arrival, **executor -> monitor thread** (second change), and every prediction once it is published,
   **prediction thread -> monitor thread** (third change).

`Frame.rgb` is decoded by whichever of these two threads asks first; the other waits and gets the same array. Nobody
writes into it.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

from framepred_ros.node.camera_channel import CameraChannel, RememberedCamera, Shared
from framepred_ros.node.memory import free_memory
from framepred_ros.node.model import open_predictor
from framepred_ros.node.model_imports import lasting_objects
from framepred_ros.node.newest_frames import Frame
from framepred_ros.node.past_frames import PastFrames
from framepred_ros.node.prediction_worker import PredictionWorker
from framepred_ros.node.settings import read_settings
from framepred_ros.prediction.predictor import SMALLEST_SIDE

if TYPE_CHECKING:
    from framepred_ros.node.camera_monitor import CameraMonitor
    from framepred_ros.prediction.predictor import FramePredictor

UNKNOWN_STEP = "the checkpoint does not say how long a step is; set the parameter step_duration"


class PredictionPipeline:
    """Made when the node configures, closed when it is cleaned up. Loading begins at once, in the worker's thread.

    Args:
        shared: the node and what its cameras have in common.
        remembered: what is known of cameras from an earlier configuration, by name.
    """

    def __init__(self, shared: Shared, remembered: Mapping[str, RememberedCamera]) -> None:
        self.predictor: FramePredictor | None = None
        self.channels: dict[str, CameraChannel] = {}
        self._shared, self._node = shared, shared.node
        cameras = list(self._value("cameras")) or [""]
        self._remembered = {name: remembered.get(name, RememberedCamera()) for name in cameras}
        self._worker = PredictionWorker(
            self._load_predictor,
            lambda: read_settings(self._node),
            lambda: self._value("max_rate"),
            self._node.get_logger(),
        )

    @property
    def steps_ahead(self) -> int:
        """How far ahead predictions are now, in steps."""
        return self._value("horizon") or self.predictor.horizon

    @property
    def step_duration(self) -> float | None:
        """Seconds from one step to the next; None if nobody says."""
        return self._value("step_duration") or self.predictor.step_duration

    @property
    def horizon(self) -> float | None:
        """How far ahead predictions are now, in seconds; None if nobody says how long a step is."""
        return self.steps_ahead * self.step_duration if self.step_duration else None

    def open(self) -> None:
        """Wait for the model and offer the cameras' topics.

        Raises:
            CancelledError: the node was stopped meanwhile.
            RuntimeError: the checkpoint cannot be loaded.
            ValueError: a parameter's value is not possible with this checkpoint.
        """
        try:
            self.predictor = self._worker.loaded.result()
        except CancelledError:
            raise
        except Exception as error:
            raise RuntimeError(
                f"checkpoint '{self._value('checkpoint') or 'the shipped one'}' cannot be loaded on device "
                f"'{self._value('device')}' (parameters checkpoint, device and engine): {error}"
            ) from error
        for name in ("horizon", "horizons", "stamp", "steps"):
            if objection := self.objection(name, self._value(name)):
                raise ValueError(objection)
        for name, remembered in self._remembered.items():
            monitor, past = self._create_monitor(name), self._create_past()
            self.channels[name] = CameraChannel(
                self._shared, name, self._worker.frames, self.step_duration, monitor, past, remembered
            )
        if self.predictor.history and not self.step_duration:
            self._node.get_logger().warning(f"The model is given no past: {UNKNOWN_STEP}")

    def listen(self) -> None:
        """Subscribe to the cameras."""
        for channel in self.channels.values():
            channel.listen()

    def stop_listening(self) -> None:
        """Unsubscribe from the cameras and forget their frames; the model stays."""
        for channel in self.channels.values():
            channel.stop_listening()
        self._worker.frames.clear()

    def stop(self, timeout: float | None = None) -> None:
        """Predict no more; give a prediction under way this long (seconds), None: as long as it takes."""
        self._worker.stop(timeout)

    def close(self) -> dict[str, RememberedCamera]:
        """Take the topics back and free the model; return what the next configuration should know of the cameras."""
        self.stop()
        remembered = self._remembered | {name: channel.remember() for name, channel in self.channels.items()}
        for channel in self.channels.values():
            channel.close()
        self.channels.clear()
        self.predictor = self._worker = None
        gc.unfreeze()  # see lasting_objects: the model does not last any longer
        free_memory()
        return remembered

    def objection(self, name: str, value: Any) -> str:
        """Return why a parameter cannot have a value with this checkpoint; empty if it can, or is not about it."""
        if name == "stamp" and value == "predicted" and self.horizon is None:
            return f"stamp 'predicted' needs the horizon in seconds: {UNKNOWN_STEP}"
        try:
            if name == "steps":
                self.predictor.check_steps(value or None)
            if name in ("horizon", "horizons"):
                for horizon in value if name == "horizons" else [value or self.predictor.horizon]:
                    self.predictor.info.check_horizon(horizon)
        except ValueError as error:
            return f"parameter {name}: {error}"
        if name == "horizon" and self._value("monitor"):
            return self._monitor_objection(value or self.predictor.horizon)
        return ""

    def _monitor_objection(self, steps: int) -> str:
        tolerance = self._value("monitor_tolerance")
        if self.step_duration and steps * self.step_duration <= tolerance:
            return f"parameter horizon: {steps} steps are no longer than monitor_tolerance, {tolerance:g} s"
        return ""

    def request(self) -> Future[list[Frame]]:
        """Ask for a prediction from the newest frames; the Future holds those that it was made from.

        Raises:
            LookupError: there is no frame or no instruction.
        """
        if not any(channel.instruction for channel in self.channels.values()):
            raise LookupError("there is no instruction: publish one first")
        return self._worker.frames.request()

    def _load_predictor(self) -> FramePredictor:
        """Open the model that the parameters name; in the worker's thread."""
        shapes = [camera.frame_shape for camera in self._remembered.values()]
        with lasting_objects():
            names = "checkpoint", "device", "engine", "cpu_threads", "cpu_niceness"
            return open_predictor(*(self._value(name) for name in names), shapes)

    def _create_past(self) -> PastFrames | None:
        if not self.predictor.history or not self.step_duration:
            return None
        height, width = (max(SMALLEST_SIDE, side) for side in self.predictor.info.resolution)
        return PastFrames(self.predictor.history, self.step_duration, (height, width))

    def _create_monitor(self, camera: str) -> CameraMonitor | None:
        if not self._value("monitor"):
            return None
        from framepred_ros.node.camera_monitor import CameraMonitor, MonitorOptions

        if self.horizon is None:
            raise ValueError(f"the monitor needs the horizon in seconds: {UNKNOWN_STEP}")
        options = MonitorOptions(
            horizon=self.horizon,
            tolerance=self._value("monitor_tolerance"),
            rate=self._value("monitor_rate"),
            window=self._value("monitor_window"),
            learning=self._value("monitor_learning"),
            lowest_ssim=self._value("monitor_lowest_ssim") or None,
            highest_surprise=self._value("monitor_highest_surprise") or None,
        )
        return CameraMonitor(self._node, camera, options)

    def _value(self, name: str) -> Any:
        return self._node.get_parameter(name).value
