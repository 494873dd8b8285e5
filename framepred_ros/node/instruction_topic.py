"""The robot's instruction from a topic, by plain and latched publishers; it is echoed on a latched topic."""

from __future__ import annotations

from collections import deque
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from framepred_ros.node.topics import LATCHED, SubscriptionEventCallbacks, camera_topic
from framepred_ros.ros.guards import guarded, steady_clock

LOGGED_CHARACTERS = 200
LOOKING_PERIOD = 0.5  # seconds


class InstructionTopic:
    """Keeps the instruction in force on `instruction` and echoes it on `~/instruction`.

    What a latched publisher said before the node started reaches only a latched subscription. But a plain publisher,
    such as `ros2 topic pub`, is warned that a latched subscription is incompatible. So there is a latched subscription
    only while there is a latched publisher.

    Args:
        node: the node that subscribes.
        camera: whose instruction it is; empty for the one that all cameras share.
        group: callback group of the subscriptions.

    Attributes:
        topic: its whole name, as remapped.
        text: the instruction without surrounding blanks, empty if it pauses predicting; None before the first.
    """

    def __init__(self, node: Node, camera: str, group: CallbackGroup) -> None:
        self.text: str | None = None
        self._node, self._group = node, group
        self._name = camera_topic(camera, "instruction")
        self._echo = node.create_publisher(String, f"~/{self._name}", LATCHED)
        self._seen: deque[int] = deque(maxlen=16)  # source stamps of messages, nanoseconds
        self._plain = self._subscribe(QoSProfile(depth=1))
        self._latched: Any = None
        self.topic = self._plain.topic_name
        look = guarded(node, self._look_for_latched)
        self._timer = node.create_timer(LOOKING_PERIOD, look, group, clock=steady_clock())

    def accept(self, text: str) -> None:
        """Put an instruction into force and echo it; a repeat changes nothing."""
        text = text.strip()
        if text == self.text:
            return
        self.text = text
        self._echo.publish(String(data=text))
        shown = text if len(text) <= LOGGED_CHARACTERS else f"{text[:LOGGED_CHARACTERS]}..."
        line = f"Instruction: '{shown}'" if text else f"Empty instruction on {self.topic}: predicting pauses"
        self._node.get_logger().info(line, throttle_duration_sec=0.1)  # many must not fill the log

    def close(self) -> None:
        """Stop listening and take the echo back."""
        self._node.destroy_timer(self._timer)
        for subscription in filter(None, (self._plain, self._latched)):
            self._node.destroy_subscription(subscription)
        self._node.destroy_publisher(self._echo)

    def _subscribe(self, qos: QoSProfile, **options: Any) -> Any:
        on_message = guarded(self._node, self._on_message)
        return self._node.create_subscription(
            String, self._name, on_message, qos, callback_group=self._group, **options
        )

    def _look_for_latched(self) -> None:
        """Have a latched subscription if, and only if, there is a publisher for it."""
        publishers = self._node.get_publishers_info_by_topic(self._name)  # which applies the remap rules
        wanted = any(each.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for each in publishers)
        if wanted and self._latched is None:
            quiet = SubscriptionEventCallbacks(incompatible_qos=lambda event: None)  # a plain publisher beside it
            self._latched = self._subscribe(LATCHED, event_callbacks=quiet)
        elif not wanted and self._latched is not None:
            self._node.destroy_subscription(self._latched)
            self._latched = None

    def _on_message(self, message: String, info: dict[str, Any]) -> None:
        """Accept each message once: a latched one may come again, even after a newer one."""
        sent = info["source_timestamp"]
        if sent and sent in self._seen:
            return
        self._seen.append(sent)
        self.accept(message.data)
