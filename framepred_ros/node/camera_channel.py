"""One camera of the node: its topics and figures, and what happens to its frames on both sides of the model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.callback_groups import CallbackGroup
from std_msgs.msg import Header

from framepred_ros.node.camera_info import CameraInfoRelay
from framepred_ros.node.camera_input import CameraInput
from framepred_ros.node.camera_outputs import CameraOutputs
from framepred_ros.node.diagnostics import CameraHealth
from framepred_ros.node.instruction_topic import InstructionTopic
from framepred_ros.node.newest_frames import Frame, NewestFrames, Predicted
from framepred_ros.node.past_frames import PastFrames
from framepred_ros.node.settings import PredictionSettings
from framepred_ros.node.statistics import CameraStatistics, Drop

if TYPE_CHECKING:
    from framepred_ros.node.camera_monitor import CameraMonitor


@dataclass(frozen=True)
class Shared:
    """What the cameras of a node have in common.

    Attributes:
        node: a lifecycle node with the parameters of `PREDICTOR_PARAMETERS`.
        instruction: the one for all cameras that have none of their own.
        paused: whether frames are predicted from on demand only.
        group: callback group of the subscriptions.
    """

    node: Any
    instruction: InstructionTopic
    paused: Callable[[], bool]
    group: CallbackGroup


@dataclass(frozen=True)
class RememberedCamera:
    """What a camera keeps from one configuration of the node to the next.

    Attributes:
        frame_shape: (height, width, 3) of its frames, for the warm-up; None while not known.
        instruction: its own, as `InstructionTopic.text`; None if it has got none.
    """

    frame_shape: tuple[int, ...] | None = None
    instruction: str | None = None


class CameraChannel:
    """Owns a camera's frames: each `Frame` carries its channel, and what becomes of it is told to the channel.

    Args:
        shared: of all cameras.
        name: empty for the single camera, which has no instruction topic of its own.
        frames: where frames wait for a prediction.
        step_duration: seconds from one step to the next; None if unknown.
        monitor: None if predictions are not checked.
        past: None if the model takes none, or nobody says how long a step is.
        remembered: from the last configuration.
    """

    def __init__(
        self,
        shared: Shared,
        name: str,
        frames: NewestFrames,
        step_duration: float | None,
        monitor: CameraMonitor | None,
        past: PastFrames | None,
        remembered: RememberedCamera,
    ) -> None:
        node = shared.node
        self.name, self.monitor, self.past = name, monitor, past
        self.statistics = CameraStatistics()
        self.input = CameraInput(node, name, node.get_parameter("image_transport").value, self._take, shared.group)
        self.outputs = CameraOutputs(node, name)
        self._info = CameraInfoRelay(node, self.input.base_topic, self.outputs.topic, shared.group)
        self._shared, self._frames, self._step_duration = shared, frames, step_duration
        self._own = InstructionTopic(node, name, shared.group) if name else None
        self._frame_shape = remembered.frame_shape
        self._past_found = 0  # of the latest frame that was predicted from
        if self._own is not None and remembered.instruction is not None:
            self._own.accept(remembered.instruction)

    @property
    def instruction(self) -> str:
        """The instruction in force: the camera's own once it has got one, else the common one; empty: none."""
        if self._own is not None and self._own.text is not None:
            return self._own.text
        return self._shared.instruction.text or ""

    def health(self) -> CameraHealth:
        """Return what is to be said about the camera on /diagnostics."""
        monitor = self.monitor.health() if self.monitor is not None else None
        max_rate = self._shared.node.get_parameter("max_rate").value
        past = None if self.past is None else (self._past_found, self.past.wanted)
        return CameraHealth(self.input.topic, self.instruction, self.statistics.summary(), monitor, max_rate, past)

    def remember(self) -> RememberedCamera:
        """Return what the next configuration should know."""
        return RememberedCamera(self._frame_shape, self._own.text if self._own is not None else None)

    def listen(self) -> None:
        """Subscribe to the camera."""
        self._info.open()
        self.input.open()

    def stop_listening(self) -> None:
        """Unsubscribe from the camera and forget what it has sent; its predictions' topics stay."""
        self.input.close()
        self._info.close()
        if self.monitor is not None:
            self.monitor.reset()
        if self.past is not None:
            self.past.clear()

    def close(self) -> None:
        """Take all topics back."""
        self.input.close()
        self.outputs.close()
        self._info.destroy()
        if self._own is not None:
            self._own.close()
        if self.monitor is not None:
            self.monitor.close()

    # In the executor: a frame arrives. Short, and nothing is decoded here -----------------------------------------

    def _take(self, message: Any) -> None:
        """Take in a message; it waits for a prediction if anybody wants one."""
        frame = Frame(self, message, self.input.decode)
        self.statistics.frame_received()
        if self.monitor is not None:
            self.monitor.add_frame(frame, self.instruction)
        unwanted = self._why_unwanted()
        if self.past is not None:
            self.past.add(frame, wanted=unwanted is None)
        if self._frames.put(frame, wanted=unwanted is None):
            self.statistics.frame_dropped(Drop.SUPERSEDED)
        if unwanted is not None:
            self.statistics.frame_dropped(unwanted)

    def _why_unwanted(self) -> Drop | None:
        if self._shared.paused():
            return Drop.PAUSED
        if not self.instruction:
            self._shared.node.get_logger().warning(
                "Frames wait for an instruction: publish a std_msgs/String on topic instruction or set the parameter "
                "instruction",
                throttle_duration_sec=10.0,
            )
            return Drop.NO_INSTRUCTION
        lazy, strip = self._shared.node.get_parameter("lazy").value, self._strip_wanted()
        watched = strip or self.monitor is not None or self.outputs.watched
        return None if watched or not lazy else Drop.NOT_WATCHED

    def _strip_wanted(self) -> bool:
        """Return whether there is a strip to predict, and say so where somebody waits for one in vain."""
        if not self.outputs.strip_watched:
            return False
        if self._shared.node.get_parameter("horizons").value:
            return True
        self._shared.node.get_logger().warning(
            "Nothing comes on predicted_strip while the parameter horizons is empty: set it to steps, such as "
            "[10, 25, 50, 100]",
            throttle_duration_sec=30.0,
        )
        return False

    # In the prediction thread: what the frame asks for, and what became of it ---------------------------------------

    @property
    def strip_watched(self) -> bool:
        """Whether anybody subscribes to the strip."""
        return self.outputs.strip_watched

    def past_of(self, frame: Frame) -> dict[int, np.ndarray]:
        """Return what the camera saw before a frame, by how many steps ago, at the model's resolution."""
        found = self.past.before(frame) if self.past is not None else {}
        self._past_found = len(found)
        return found

    def publish(self, frame: Frame, predicted: Predicted, settings: PredictionSettings) -> None:
        """Publish what was predicted from a frame, and have it checked."""
        try:
            header = self._output_header(frame, predicted.horizon, settings)
            self.outputs.publish(header, frame.rgb, predicted.picture, settings.jpeg_quality)
            self.outputs.publish_strip(header, predicted.strip)
            self._info.publish(header, *predicted.picture.shape[:2])
        except Exception:
            if self._shared.node.context.ok():  # after the signal the publishers may be gone already
                raise
        self.statistics.prediction_made(time.monotonic() - frame.received)
        if self.monitor is not None:
            self.monitor.add_prediction(frame, predicted.picture, predicted.horizon * self._step_duration)
        self._frame_shape = predicted.picture.shape

    def drop(self, reason: Drop, detail: str = "") -> None:
        """Count a frame that nothing was predicted from, and say why."""
        self.statistics.frame_dropped(reason, detail)
        logger, topic = self._shared.node.get_logger(), self.input.topic
        if reason is Drop.UNUSABLE:
            logger.warning(f"Frame dropped on topic {topic}: {detail}", throttle_duration_sec=5.0)
        elif reason is Drop.REFUSED:
            logger.warning(f"Frame dropped on topic {topic}, the model refuses it: {detail}", throttle_duration_sec=5.0)
        elif reason is Drop.FAILED:
            logger.error(f"Prediction failed, tried again and failed: {detail}", throttle_duration_sec=5.0)
        elif reason is Drop.UNPUBLISHED:
            logger.error(f"Prediction for {topic} could not be published: {detail}", throttle_duration_sec=5.0)

    def _output_header(self, frame: Frame, horizon: int, settings: PredictionSettings) -> Header:
        if settings.stamp == "source":
            return frame.header
        ahead = horizon * self._step_duration
        # Not by rclpy's Time, which refuses what is before 1970.
        seconds, nanoseconds = divmod(frame.stamp_ns + round(ahead * 10**9), 10**9)
        if not -(2**31) <= seconds < 2**31:
            raise ValueError(
                f"header.stamp.sec is {frame.header.stamp.sec}: a stamp cannot hold what is {ahead:g} s later; "
                "correct the camera's clock or set the parameter stamp to source"
            )
        return Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id=frame.header.frame_id)
