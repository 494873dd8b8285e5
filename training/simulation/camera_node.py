"""The simulator as a live camera: publishes the head camera of a running episode on ROS 2.

`python -m training.simulation.camera_node --ros-args -p task:=block_handover -p seed:=7`. Topics as those of
`framepred_ros.replay.camera_node`: `image` (sensor_msgs/Image, rgb8) and `instruction` (std_msgs/String, latched).
"""

from __future__ import annotations

import sys
import time

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from framepred_ros.ros.image_messages import image_from_rgb
from framepred_ros.ros.process import create_node, ros_process
from training.simulation.instructions import phrasings
from training.simulation.stage.appearance import Appearance
from training.simulation.stage.camera import HeadCamera
from training.simulation.stage.kinematics import UnreachableError
from training.simulation.stage.opengl import RenderingError, check_backend
from training.simulation.stage.scene import STEP
from training.simulation.stage.world import SAVE_FREQUENCY, GraspError, World
from training.simulation.tasks import TASKS

FRAME_PERIOD = SAVE_FREQUENCY * STEP  # seconds, 0.06


class SimulatedCameraNode(Node):
    """Runs one episode in real time (or as fast as rendering allows, if that is slower) and publishes its frames."""

    def __init__(self) -> None:
        super().__init__("camera")
        check_backend()
        self.task_name = str(self.declare_parameter("task", "block_hammer_beat").value)
        if self.task_name not in TASKS:
            raise ValueError(f"parameter task: {self.task_name!r} is none of {', '.join(TASKS)}")
        seed = int(self.declare_parameter("seed", 1_000_000).value)
        self._subscribers = int(self.declare_parameter("wait_for_subscribers", 0).value)
        self._task = TASKS[self.task_name](np.random.default_rng([seed, list(TASKS).index(self.task_name)]))
        self._images = self.create_publisher(
            Image, "image", QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
        )
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._instructions = self.create_publisher(String, "instruction", latched)
        self._camera: HeadCamera | None = None
        self._due = 0.0
        self.frames = 0

    def play(self) -> bool:
        """Publish the instruction and the whole episode; returns whether the task succeeded."""
        texts = phrasings(self.task_name, self._task.slots())
        self._instructions.publish(String(data=texts["unseen"][0]))
        world = World(self._task.scene(Appearance()), self._publish_frame, self._task.initial_opening)
        try:
            self._task.play(world)
        except (GraspError, UnreachableError) as error:
            self.get_logger().warning(f"{self.task_name}: {error}")
            return False
        return self._task.succeeded(world)

    def _publish_frame(self, world: World) -> None:
        if self._camera is None:
            self._camera = HeadCamera(world.model)
            self._await_subscribers()
            self._due = time.monotonic()
        rgb = self._camera.frame(world.data)
        time.sleep(max(0.0, self._due - time.monotonic()))
        # A renderer that is too slow lowers the frame rate; it never sends old frames in a burst.
        self._due = max(self._due + FRAME_PERIOD, time.monotonic())
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id="head_camera")
        self._images.publish(image_from_rgb(rgb, header))
        self.frames += 1

    def _await_subscribers(self) -> None:
        while self._images.get_subscription_count() < self._subscribers:
            if not self.context.ok():
                return
            time.sleep(0.05)


def main(args: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    with ros_process(args):
        try:
            node = create_node(SimulatedCameraNode)
        except RenderingError as error:
            sys.exit(f"camera_node: {error}")
        succeeded = node.play()
        node.get_logger().info(f"{node.frames} frames published, task {'done' if succeeded else 'not done'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
