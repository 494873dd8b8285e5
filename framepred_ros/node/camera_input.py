"""A camera's image subscription: raw or compressed, reliable or best effort."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from framepred_ros.node.topics import IMAGE_DEPTH, SubscriptionEventCallbacks, camera_topic
from framepred_ros.ros.guards import guarded, steady_clock
from framepred_ros.ros.image_messages import rgb_from_compressed_image, rgb_from_image

TRANSPORTS = {
    "raw": (Image, "", rgb_from_image),
    "compressed": (CompressedImage, "/compressed", rgb_from_compressed_image),
}
PATIENCE = 30.0  # seconds without a frame from a camera that is there, until the node subscribes anew
SILENCE_CHECK_PERIOD = 1.0  # seconds


class CameraInput:
    """Listens to `image`, or to `image/compressed`, while it is open.

    While a camera is there and no frame comes, it subscribes anew every `PATIENCE` seconds: on a machine that was
    overloaded for minutes a subscription was seen to receive nothing any more, though both sides were connected.

    Args:
        node: the node that subscribes.
        camera: the camera's name; empty for the single camera.
        transport: a key of `TRANSPORTS`.
        on_message: called in the executor with each message.
        group: callback group of the subscription.

    Attributes:
        topic: the whole name of the topic, as remapped.
        base_topic: that of the raw pictures, which a transport's name is added to.
        decode: turns a message of this transport into RGB uint8 (height, width, 3).
    """

    def __init__(
        self, node: Node, camera: str, transport: str, on_message: Callable[[Any], None], group: CallbackGroup
    ) -> None:
        self._node, self._group = node, group
        self._type, suffix, self.decode = TRANSPORTS[transport]
        name = camera_topic(camera, "image")
        self.base_topic = node.resolve_topic_name(name)
        # As image_transport does it: what is remapped is the base topic. Otherwise the name is left as it is, because
        # the remap rules are applied (again) to what a subscription is created with.
        self._name = self.base_topic + suffix if suffix else name
        self.topic = node.resolve_topic_name(self._name)
        self._hand_over = on_message
        self._subscription: Any = None
        self._timer: Any = None
        self._qos: QoSProfile | None = None
        self._silent_since = 0.0  # seconds, of the monotonic clock
        # The lifecycle closes while the executor may hand a message over, or subscribe anew.
        self._changing = threading.Lock()

    def open(self) -> None:
        """Subscribe, reliable unless the user overrides it."""
        qos = QoSProfile(depth=IMAGE_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        callback = guarded(self._node, self._check_silence)
        with self._changing:
            self._subscribe(qos, qos_overriding_options=QoSOverridingOptions.with_default_policies())
            self._silent_since = time.monotonic()
            self._timer = self._node.create_timer(SILENCE_CHECK_PERIOD, callback, self._group, clock=steady_clock())

    def close(self) -> None:
        """Stop listening."""
        with self._changing:
            if self._timer is not None:
                self._node.destroy_timer(self._timer)
                self._timer = None
            self._unsubscribe()

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _subscribe(self, qos: QoSProfile, **options: Any) -> None:
        self._qos = qos  # rclpy writes the user's overrides into it
        self._subscription = self._node.create_subscription(
            self._type,
            self._name,
            guarded(self._node, self._on_message),
            qos,
            callback_group=self._group,
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=guarded(self._node, self._on_incompatible_camera)
            ),
            **options,
        )

    def _on_message(self, message: Any) -> None:
        with self._changing:  # so that nothing is handed over any more once `close` has returned
            if self._subscription is not None:  # else it was on its way when the input closed
                self._silent_since = time.monotonic()
                self._hand_over(message)

    def _check_silence(self) -> None:
        now = time.monotonic()
        if not self._node.count_publishers(self.topic):
            self._silent_since = now
        if now - self._silent_since < PATIENCE:
            return
        self._silent_since = now
        if self._subscribe_anew():
            text = f"No frame for {PATIENCE:g} s from the camera on {self.topic}; subscribed anew"
            self._node.get_logger().info(text, throttle_duration_sec=600.0)

    def _on_incompatible_camera(self, event: Any) -> None:
        """Listen as best effort once a camera turns out to publish so. Reliable first: it loses no large frames."""
        if self._qos.reliability == ReliabilityPolicy.BEST_EFFORT:
            return
        self._qos.reliability = ReliabilityPolicy.BEST_EFFORT
        if self._subscribe_anew():
            self._node.get_logger().info(f"The camera on {self.topic} is best effort; listening as such")

    def _subscribe_anew(self) -> bool:
        """Replace the subscription, if there still is one; return whether there was."""
        with self._changing:
            if self._subscription is None:
                return False
            self._unsubscribe()
            self._subscribe(self._qos)
            return True
