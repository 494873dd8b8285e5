"""Quality of service that several parts of the node use, and what differs between ROS 2 distributions."""

from rclpy.qos import DurabilityPolicy, QoSProfile

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

__all__ = ["IMAGE_DEPTH", "LATCHED", "SubscriptionEventCallbacks"]

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# The callback takes a fraction of a millisecond, so the queue is empty again before it can age a frame; with depth 1 a
# busy machine lost a tenth of 640x480 frames at 30 Hz, with 5 none. The worker's slot keeps only the newest.
IMAGE_DEPTH = 5
