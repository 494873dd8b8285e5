"""A predictor node under test in a process of its own: camera, listener, and the question whether it still predicts."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from framepred_ros.demo.processes import ChildProcess
from framepred_ros.ros.image_messages import image_from_rgb

INSTRUCTION = "hit the block with the hammer"
RETRY_PERIOD = 30.0  # seconds
DEADLINE = 120.0  # seconds; a busy machine loads torch slowly


class Rig:
    """The other side of a node's topics, in this process.

    Attributes:
        sent: how many frames were published.
        predictions: (stamp of the source frame, seconds from there to here) of every prediction, in order of arrival.
        out_of_order: predictions whose frame was not newer than the previous one's.
    """

    def __init__(self, folder: Path, checkpoint: str) -> None:
        self.checkpoint, self._folder = checkpoint, folder
        self._context = rclpy.Context()
        rclpy.init(context=self._context, args=[])
        self.node = Node("rig", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.camera = self.node.create_publisher(Image, "image", QoSProfile(depth=1))
        self.instructions = self.node.create_publisher(String, "instruction", QoSProfile(depth=1))
        self.node.create_subscription(Image, "predicted_frame", self._on_prediction, QoSProfile(depth=10))
        self._runs = itertools.count(1)
        self.sent, self.out_of_order = 0, 0
        self.predictions: list[tuple[int, float]] = []
        self.picture = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), (128, 96))

    def close(self) -> None:
        """Take the other side down."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def start(
        self, remap: tuple[str, ...] = (), module: str = "framepred_ros.node.predictor_node", **parameters: object
    ) -> ChildProcess:
        """Start a predictor node; it configures and activates itself unless `autostart` is given as False."""
        log = self._folder / f"node_{next(self._runs)}.log"
        options = {"checkpoint": self.checkpoint, "device": "cpu", "instruction": INSTRUCTION, **parameters}
        return ChildProcess(module, log, remap, **options)

    def send(self, message: Image, stamp: int | None = None) -> int:
        """Publish a frame; the stamp (nanoseconds) is now unless given. Returns the stamp."""
        stamp = time.time_ns() if stamp is None else stamp
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        self.camera.publish(message)
        self.sent += 1
        return stamp

    def send_picture(self, picture: np.ndarray | None = None, stamp: int | None = None) -> int:
        """Publish an RGB uint8 picture (height, width, 3); the rig's own by default."""
        header = Header(frame_id="camera")
        return self.send(image_from_rgb(self.picture if picture is None else picture, header), stamp)

    def spin(self, seconds: float) -> None:
        """Let messages arrive for some seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def wait_until(self, condition: Callable[[], Any], deadline: float = DEADLINE) -> bool:
        """Let messages arrive until a condition holds; returns whether it did before the deadline (seconds)."""
        end = time.monotonic() + deadline
        while not condition():
            if time.monotonic() > end:
                return False
            self._executor.spin_once(timeout_sec=0.02)
        return True

    def predicts(self, process: ChildProcess, picture: np.ndarray | None = None, deadline: float = DEADLINE) -> bool:
        """Send frames at 10 Hz until one of them is predicted from; returns whether that happened."""
        first, end = time.time_ns(), time.monotonic() + deadline
        while time.monotonic() < end and process.exit_code is None:
            self.send_picture(picture)
            self.spin(0.1)
            if self.predictions and self.predictions[-1][0] >= first:
                return True
        return False

    def change_state(self, transition: str) -> bool:
        """Ask for a lifecycle transition; returns whether it succeeded."""
        request = ChangeState.Request()
        request.transition.id = getattr(Transition, f"TRANSITION_{transition.upper()}")
        return self.call(ChangeState, "predictor/change_state", request).success

    def state(self) -> str:
        """The node's lifecycle state."""
        return self.call(GetState, "predictor/get_state", GetState.Request()).current_state.label

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Call a service. Raises TimeoutError if no answer comes."""
        client = self.node.create_client(kind, name)
        try:
            if not self.wait_until(client.service_is_ready):
                raise TimeoutError(f"no service {name} within {DEADLINE:g} s")
            end = time.monotonic() + DEADLINE
            while time.monotonic() < end:
                # A request may have gone to a process that was just killed, which DDS takes a while to notice.
                future = client.call_async(request)
                if self.wait_until(future.done, RETRY_PERIOD):
                    return future.result()
            raise TimeoutError(f"no answer from {name} within {DEADLINE:g} s")
        finally:
            self.node.destroy_client(client)

    def _on_prediction(self, message: Image) -> None:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        if self.predictions and stamp <= self.predictions[-1][0]:
            self.out_of_order += 1
        self.predictions.append((stamp, (time.time_ns() - stamp) / 1e9))
