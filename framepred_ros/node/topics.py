"""How the topics of a camera are named, and their quality of service where several parts of the node use it."""

from rclpy.qos import DurabilityPolicy, QoSProfile

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

__all__ = ["IMAGE_DEPTH", "LATCHED", "SubscriptionEventCallbacks", "camera_topic"]

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# The callback takes a fraction of a millisecond, so the queue is empty again before it can age a frame; with depth 1 a
# busy machine lost a tenth of 640x480 frames at 30 Hz, with 5 none. The worker's slot keeps only the newest.
IMAGE_DEPTH = 5


def camera_topic(camera: str, topic: str) -> str:
    """Return a camera's topic: `{camera}/{topic}`, or the topic itself for the single camera, whose name is empty."""
    return f"{camera}/{topic}" if camera else topic
