"""What the node publishes about a camera's future: one frame, also as JPEG and beside the current one, and a strip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from framepred_ros.node.topics import camera_topic
from framepred_ros.ros.image_messages import compressed_image_from_rgb, image_from_rgb


class CameraOutputs:
    """Publishes `predicted_frame`, also compressed, `comparison` and `predicted_strip`, each only if subscribed to.

    Args:
        node: a lifecycle node; the publishers are silent while it is not active.
        camera: the camera's name; empty for the single camera.
    """

    def __init__(self, node: Any, camera: str) -> None:
        self._node = node
        name = camera_topic(camera, "predicted_frame")  # not resolved: remap rules would be applied twice
        self._predicted = self._create(Image, name)
        self.topic = self._predicted.topic_name
        # As image_transport does it: what is remapped is the base topic.
        self._compressed = self._create(CompressedImage, f"{self.topic}/compressed")
        self._comparison = self._create(Image, camera_topic(camera, "comparison"))
        self._strip = self._create(Image, camera_topic(camera, "predicted_strip"))

    @property
    def watched(self) -> bool:
        """Whether anybody subscribes to any of the topics, the strip aside."""
        return any(map(_watched, (self._predicted, self._compressed, self._comparison)))

    @property
    def strip_watched(self) -> bool:
        """Whether anybody subscribes to the strip."""
        return _watched(self._strip)

    def publish(self, header: Header, current: np.ndarray, predicted: np.ndarray, jpeg_quality: int) -> None:
        """Publish a prediction.

        Args:
            header: of all three messages.
            current, predicted: RGB uint8 (height, width, 3), the same size.
            jpeg_quality: 1 to 100.
        """
        if _watched(self._predicted):
            self._predicted.publish(image_from_rgb(predicted, header))
        if _watched(self._compressed):
            self._compressed.publish(compressed_image_from_rgb(predicted, header, jpeg_quality))
        if _watched(self._comparison):
            self._comparison.publish(image_from_rgb(np.hstack([current, predicted]), header))

    def publish_strip(self, header: Header, pictures: Sequence[np.ndarray]) -> None:
        """Publish moments, RGB uint8 (height, width, 3) of one size, side by side; nothing if there are none."""
        if pictures and self.strip_watched:
            self._strip.publish(image_from_rgb(np.hstack(pictures), header))

    def close(self) -> None:
        """Take the topics back."""
        for publisher in (self._predicted, self._compressed, self._comparison, self._strip):
            self._node.destroy_lifecycle_publisher(publisher)

    def _create(self, message_type: type, topic: str) -> Any:
        return self._node.create_lifecycle_publisher(
            message_type,
            topic,
            QoSProfile(depth=1),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )


def _watched(publisher: Any) -> bool:
    return publisher.get_subscription_count() > 0
