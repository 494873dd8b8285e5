"""Records what the camera and the predictor publish, with the moment of each publication."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Float64MultiArray

from framepred_ros.ros.image_messages import rgb_from_image

HISTORY = 50  # messages; about three seconds in which the recorder may be busy


@dataclass(frozen=True)
class RecordedImage:
    """A received image. Times in nanoseconds: `stamp` is the header's, `published` the middleware's.

    `number` counts the publisher's messages from 1, so that it also counts those that did not arrive.
    """

    number: int
    stamp: int
    published: int
    rgb: np.ndarray


@dataclass
class Recording:
    """One task's frames, predictions and, with the monitor on, scores by field name, in the order of arrival.

    `strip` is the first one that came after it was asked for.
    """

    frames: list[RecordedImage] = field(default_factory=list)
    predictions: list[RecordedImage] = field(default_factory=list)
    scores: list[dict[str, float]] = field(default_factory=list)
    strip: RecordedImage | None = None


class Recorder(Node):
    """Subscribes `image` and `predicted_frame`; `recording` is replaced at the start of each task."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("demo_recorder", **kwargs)
        self.recording = Recording()
        self._strip: Any = None
        self.create_subscription(Image, "image", self._on_frame, QoSProfile(depth=HISTORY))
        self.create_subscription(Image, "predicted_frame", self._on_prediction, QoSProfile(depth=HISTORY))
        self.create_subscription(Float64MultiArray, "predictor/monitor/scores", self._on_score, HISTORY)

    def start_task(self) -> Recording:
        """Start an empty recording and return it."""
        self.recording = Recording()
        self.stop_watching_strip()
        return self.recording

    def watch_strip(self) -> None:
        """Subscribe to `predicted_strip`, which costs the node time, until one has come."""
        if self._strip is None and self.recording.strip is None:
            self._strip = self.create_subscription(Image, "predicted_strip", self._on_strip, QoSProfile(depth=1))

    def stop_watching_strip(self) -> None:
        """Unsubscribe from `predicted_strip`, if it is subscribed to."""
        if self._strip is not None:
            self.destroy_subscription(self._strip)
            self._strip = None

    def _on_frame(self, message: Image, info: Any) -> None:
        self.recording.frames.append(_record(message, info))

    def _on_prediction(self, message: Image, info: Any) -> None:
        self.recording.predictions.append(_record(message, info))

    def _on_strip(self, message: Image, info: Any) -> None:
        if self.recording.strip is None:
            self.recording.strip = _record(message, info)

    def _on_score(self, message: Float64MultiArray) -> None:
        names = message.layout.dim[0].label.split(",")
        self.recording.scores.append(dict(zip(names, message.data, strict=True)))


def _record(message: Image, info: Any) -> RecordedImage:
    stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
    return RecordedImage(info["publication_sequence_number"], stamp, info["source_timestamp"], rgb_from_image(message))
