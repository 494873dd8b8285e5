"""What the robot is told, from a topic: heard from plain and latched publishers, echoed latched."""

from __future__ import annotations

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import String

from framepred_ros.node.topics import LATCHED, SubscriptionEventCallbacks, camera_topic
from framepred_ros.ros.guards import guarded

LOGGED_CHARACTERS = 200


class InstructionTopic:
    """Keeps the instruction in force on `instruction` and echoes it on `~/instruction`.

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
        self._node = node
        name = camera_topic(camera, "instruction")
        self._echo = node.create_publisher(String, "~/" + camera_topic(camera, "instruction"), LATCHED)
        on_message = guarded(node, self._on_message)
        # A latched publisher reaches both subscriptions (repeats are dropped), a plain `ros2 topic pub` the first only.
        quiet = SubscriptionEventCallbacks(incompatible_qos=lambda event: None)
        self._subscriptions = [
            node.create_subscription(String, name, on_message, QoSProfile(depth=1), callback_group=group),
            node.create_subscription(String, name, on_message, LATCHED, callback_group=group, event_callbacks=quiet),
        ]
        self.topic = self._subscriptions[0].topic_name

    def accept(self, text: str) -> None:
        """Put an instruction into force and echo it; a repeat changes nothing."""
        text = text.strip()
        if text == self.text:
            return
        self.text = text
        self._echo.publish(String(data=text))
        shown = text if len(text) <= LOGGED_CHARACTERS else f"{text[:LOGGED_CHARACTERS]}..."
        line = f"Instruction: '{shown}'" if text else f"Empty instruction on {self.topic}: predicting pauses"
        self._node.get_logger().info(line, throttle_duration_sec=0.1)  # a storm of instructions is no storm of lines

    def _on_message(self, message: String) -> None:
        self.accept(message.data)

    def close(self) -> None:
        """Stop listening and take the echo back."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._node.destroy_publisher(self._echo)
