"""A camera that replays a recorded episode at its own rate, as raw images with fresh stamps."""

from __future__ import annotations

from typing import Any

from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from framepred_ros.replay.camera_parameters import CAMERA_PARAMETERS
from framepred_ros.replay.episode_bag import BagFrame, EpisodeBag, shipped_episode
from framepred_ros.ros.image_messages import image_from_rgb
from framepred_ros.ros.parameters import declare_parameters
from framepred_ros.ros.process import create_node, end_process, ros_process

LONGEST_WAIT = 0.05  # seconds; a simulation's time may run faster
DELIVERY_TIMEOUT = Duration(seconds=2)
PAUSE = 0.5  # seconds between two rounds; predictions from the end of the first should come in it


class ReplayCameraNode(Node):
    """Publishes `image` (sensor_msgs/Image, rgb8) and `instruction` (std_msgs/String, latched) from a bag.

    Raises:
        FileNotFoundError, ValueError: the bag is not there or has no usable image topic.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("camera", **kwargs)
        declare_parameters(self, CAMERA_PARAMETERS)
        self._bag = EpisodeBag(self._value("bag") or shipped_episode(self._value("task")), self._value("bag_topic"))
        self._images = self.create_publisher(Image, "image", QoSProfile(depth=5))
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._instructions = self.create_publisher(String, "instruction", latched)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self)
        self._started = self._latest = 0  # nanoseconds of the node's clock
        self._last_stamp: int | None = None  # nanoseconds

    def play(self) -> None:
        """Publish the episode, once or in a loop, and return when its subscribers have received all of it."""
        while self._images.get_subscription_count() < self._value("wait_for_subscribers"):
            self._executor.spin_once(timeout_sec=0.05)
        self.get_logger().info(f"Playing {self._bag.frame_count} frames of {self._bag.path}")
        self._play_once()
        while self._value("loop"):
            self._spin_until(self._now() - self._started + round(PAUSE * 1e9))
            self._play_once()
        self._images.wait_for_all_acked(DELIVERY_TIMEOUT)

    def _play_once(self) -> None:
        first_time = None
        for item in self._bag.read():
            if not isinstance(item, BagFrame):
                self._instructions.publish(String(data=item.text))
                continue
            begins = first_time is None
            if begins:
                # The first frame follows one period after its instruction, which is on its way by then.
                self._instructions.wait_for_all_acked(DELIVERY_TIMEOUT)
                first_time = item.time
                self._await_clock()
                self._started = self._latest = self._now()
            self._spin_until(item.time - first_time)
            header = Header(stamp=self._stamp(begins).to_msg(), frame_id=item.frame_id or "head_camera")
            self._images.publish(image_from_rgb(item.rgb, header))

    def _stamp(self, begins: bool) -> Time:
        """Return the time now; for the frame that begins a round again, a moment before the last frame's.

        Time that goes back is how ROS says that what comes does not follow what was: bags that loop do it, too.
        """
        now = self.get_clock().now().nanoseconds
        if begins and self._last_stamp is not None:
            now = max(0, self._last_stamp - 1)
        self._last_stamp = now
        return Time(nanoseconds=now)

    def _spin_until(self, offset: int) -> None:
        """Wait until this many nanoseconds after the first frame, by the clock that the stamps are of."""
        while (left := self._started + offset - self._now()) > 0:
            self._executor.spin_once(timeout_sec=min(left / 1e9, LONGEST_WAIT))

    def _now(self) -> int:
        """The node's time in nanoseconds: a simulation's, if it has one. Where that jumps back, the episode goes on."""
        now = self.get_clock().now().nanoseconds
        if now < self._latest:
            self._started -= self._latest - now
        self._latest = now
        return now

    def _await_clock(self) -> None:
        while self._value("use_sim_time") and self.get_clock().now().nanoseconds == 0:
            text = "Waiting for the simulation's time on /clock (use_sim_time)"
            self.get_logger().info(text, throttle_duration_sec=10.0)
            self._executor.spin_once(timeout_sec=LONGEST_WAIT)

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value


def main(args: list[str] | None = None) -> None:
    """Play the episode until its end, Ctrl-C or SIGTERM."""
    with ros_process(args):
        create_node(ReplayCameraNode).play()
    end_process()


if __name__ == "__main__":
    main()
