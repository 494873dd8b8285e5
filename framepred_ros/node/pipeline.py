"""Cameras, model and outputs of a configured node: the way of a frame from its arrival to its prediction."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np
from rclpy.callback_groups import CallbackGroup
from rclpy.duration import Duration
from rclpy.time import Time
from std_msgs.msg import Header

from framepred_ros.node.camera_channel import CameraChannel
from framepred_ros.node.instruction_topic import InstructionTopic
from framepred_ros.node.memory import free_memory
from framepred_ros.node.model import open_predictor
from framepred_ros.node.model_imports import lasting_objects
from framepred_ros.node.newest_frames import Frame
from framepred_ros.node.prediction_worker import PredictionSettings, PredictionWorker
from framepred_ros.node.statistics import Drop

if TYPE_CHECKING:
    from framepred_ros.node.camera_monitor import CameraMonitor
    from framepred_ros.prediction.predictor import FramePredictor

UNKNOWN_STEP = "the checkpoint does not say how long a step is; set the parameter step_duration"


class PredictionPipeline:
    """Made when the node configures, closed when it is cleaned up. Loading begins at once, in the worker's thread.

    Args:
        node: a lifecycle node with the parameters of `PREDICTOR_PARAMETERS`.
        instruction: the one that all cameras share.
        paused: whether frames are predicted from on demand only.
        group: callback group of the subscriptions.
        frame_shapes: (height, width, 3) of the cameras' frames as far as known; kept up to date.
    """

    def __init__(
        self,
        node: Any,
        instruction: InstructionTopic,
        paused: Callable[[], bool],
        group: CallbackGroup,
        frame_shapes: dict[str, tuple[int, ...]],
    ) -> None:
        self.predictor: FramePredictor | None = None
        self.channels: dict[str, CameraChannel] = {}
        self._node, self._instruction, self._paused, self._group = node, instruction, paused, group
        self._frame_shapes = frame_shapes
        self._cameras = list(self._value("cameras")) or [""]
        self._worker = PredictionWorker(self, node.get_logger())

    @property
    def horizon(self) -> float | None:
        """How far ahead the model predicts, in seconds; None if nobody says how long a step is."""
        step_duration = self._value("step_duration") or self.predictor.step_duration
        return self.predictor.horizon * step_duration if step_duration else None

    def open(self) -> None:
        """Wait for the model and offer the cameras' topics.

        Raises:
            CancelledError: the node was stopped meanwhile.
            RuntimeError: the checkpoint cannot be loaded.
            ValueError: a parameter's value is not possible with this checkpoint.
        """
        try:
            self.predictor = self._worker.loaded.result()
        except Exception as error:
            raise RuntimeError(
                f"checkpoint '{self._value('checkpoint') or 'the shipped one'}' cannot be loaded on device "
                f"'{self._value('device')}' (parameters checkpoint, device and engine): {error}"
            ) from error
        if objection := self.stamp_objection(self._value("stamp")):
            raise ValueError(objection)
        for name in self._cameras:
            transport, monitor = self._value("image_transport"), self._create_monitor(name)
            self.channels[name] = CameraChannel(
                self._node, name, transport, self._instruction, self.take_frame, self._group, monitor
            )

    def listen(self) -> None:
        """Subscribe to the cameras."""
        for channel in self.channels.values():
            channel.input.open()

    def stop_listening(self) -> None:
        """Unsubscribe from the cameras and forget their frames; the model stays."""
        for channel in self.channels.values():
            channel.input.close()
            if channel.monitor is not None:
                channel.monitor.reset()
        self._worker.frames.clear()

    def stop(self, timeout: float | None = None) -> None:
        """Predict no more; give a prediction under way this long (seconds), None: as long as it takes."""
        self._worker.stop(timeout)

    def close(self) -> None:
        """Take the topics back and free the model."""
        self.stop()
        for channel in self.channels.values():
            channel.close()
        self.channels.clear()
        self.predictor = self._worker = None
        gc.unfreeze()  # see lasting_objects: the model does not last any longer
        free_memory()

    def stamp_objection(self, stamp: str) -> str:
        """Return why the parameter `stamp` cannot have a value; empty if it can."""
        if stamp == "predicted" and self.horizon is None:
            return f"stamp 'predicted' needs the horizon in seconds: {UNKNOWN_STEP}"
        return ""

    def request(self) -> Future[list[Frame]]:
        """Ask for a prediction from the newest frames; the Future holds those that it was made from.

        Raises:
            LookupError: there is no frame or no instruction.
        """
        if not any(channel.instruction for channel in self.channels.values()):
            raise LookupError("there is no instruction: publish one first")
        return self._worker.frames.request()

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

    # The executor's side: a frame arrives. Short, and nothing is decoded here ------------------------------------

    def take_frame(self, frame: Frame) -> None:
        """Take in a camera's frame; it waits for a prediction if anybody wants one."""
        channel = self.channels[frame.camera]
        channel.statistics.frame_received()
        if channel.monitor is not None:
            channel.monitor.add_frame(frame, channel.instruction)
        unwanted = self._why_unwanted(channel)
        if self._worker.frames.put(frame, wanted=unwanted is None):
            channel.statistics.frame_dropped(Drop.SUPERSEDED)
        if unwanted is not None:
            channel.statistics.frame_dropped(unwanted)

    def _why_unwanted(self, channel: CameraChannel) -> Drop | None:
        if self._paused():
            return Drop.PAUSED
        if not channel.instruction:
            self._node.get_logger().warning(
                "Frames wait for an instruction: publish a std_msgs/String on topic instruction or set the parameter "
                "instruction",
                throttle_duration_sec=10.0,
            )
            return Drop.NO_INSTRUCTION
        needed = channel.monitor is not None or channel.outputs.watched or not self._value("lazy")
        return None if needed else Drop.NOT_WATCHED

    # The worker's side: its thread calls these -------------------------------------------------------------------

    def load_predictor(self) -> FramePredictor:
        """Open the model that the parameters name."""
        shapes = [self._frame_shapes.get(name) for name in self._cameras]
        with lasting_objects():
            names = "checkpoint", "device", "engine", "cpu_threads", "cpu_niceness"
            return open_predictor(*(self._value(name) for name in names), shapes)

    def settings(self) -> PredictionSettings:
        """Return the settings of the next prediction."""
        return PredictionSettings(
            self._value("steps") or None, self._value("seed"), self._value("max_rate"), self._value("skip_unchanged")
        )

    def instruction_for(self, camera: str) -> str:
        """Return the instruction in force for a camera; empty: none."""
        return self.channels[camera].instruction

    def prediction_made(self, frame: Frame, predicted: np.ndarray) -> None:
        """Publish a prediction."""
        channel = self.channels[frame.camera]
        try:
            channel.outputs.publish(self._output_header(frame), frame.rgb, predicted, self._value("jpeg_quality"))
        except Exception:
            if self._node.context.ok():  # after the signal the publishers may be gone already
                raise
        channel.statistics.prediction_made(time.monotonic() - frame.received)
        if channel.monitor is not None:
            channel.monitor.add_prediction(frame, predicted)
        self._frame_shapes[frame.camera] = predicted.shape

    def frame_dropped(self, frame: Frame, reason: Drop, detail: str = "") -> None:
        """Count a frame that nothing was predicted from, and say why."""
        channel = self.channels[frame.camera]
        channel.statistics.frame_dropped(reason, detail)
        logger, topic = self._node.get_logger(), channel.input.topic
        if reason is Drop.UNUSABLE:
            logger.warning(f"Frame dropped on topic {topic}: {detail}", throttle_duration_sec=5.0)
        elif reason is Drop.REFUSED:
            logger.warning(f"Frame dropped on topic {topic}, the model refuses it: {detail}", throttle_duration_sec=5.0)
        elif reason is Drop.FAILED:
            logger.error(f"Prediction failed, tried again and failed: {detail}", throttle_duration_sec=5.0)

    def _output_header(self, frame: Frame) -> Header:
        if self._value("stamp") == "source":
            return frame.header
        stamp = Time.from_msg(frame.header.stamp) + Duration(seconds=self.horizon)
        return Header(stamp=stamp.to_msg(), frame_id=frame.header.frame_id)
