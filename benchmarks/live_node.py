"""A predictor node in a process of its own, fed by a camera and questioned by others while it predicts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import psutil
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tqdm import tqdm

from benchmarks.shipped import ShippedEpisode, shipped_episodes
from framepred_ros.demo.processes import ChildProcess
from framepred_ros.image_messages import image_from_rgb
from framepred_ros.transport import free_domain_id, local_environment

WIDTH, HEIGHT, RATE = 640, 480, 30.0
READY_TIMEOUT = 120.0  # seconds until its first prediction


@dataclass
class Live:
    """A run of the node. Times in seconds, memory in bytes; `answers` are what `benchmarks.asker` saw."""

    sent: int = 0
    latencies: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    cpu_seconds: float = 0.0
    seconds: float = 0.0


def measure_live(seconds: float, checkpoint: str) -> Live:
    """Runs a predictor node for some seconds and asks it for a parameter all the while.

    Raises:
        TimeoutError: the node made no prediction within two minutes, or did not answer; the message says more.
    """
    os.environ.update(local_environment(free_domain_id()))
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder:
        episode = shipped_episodes()[0]
        client = Client(episode)
        log = Path(folder) / "node.log"
        options = {"checkpoint": checkpoint, "instruction": episode.instruction}
        try:
            with ChildProcess("framepred_ros.predictor_node", log, **options) as node:
                client.wait_for_prediction(node)
                return client.watch(psutil.Process(node.pid), seconds)
        finally:
            client.destroy_node()
            rclpy.try_shutdown()


class Client(Node):
    """The camera and the subscriber of predictions in one process; who asks has one of its own, so as not to wait."""

    def __init__(self, episode: ShippedEpisode) -> None:
        super().__init__("benchmark")
        self.live = Live()
        self._frames = [cv2.resize(frame, (WIDTH, HEIGHT)) for frame in episode.frames]
        self._camera = self.create_publisher(Image, "image", QoSProfile(depth=1))
        self.create_subscription(Image, "predicted_frame", self._on_prediction, QoSProfile(depth=10))
        self.create_timer(1 / RATE, self._send_frame)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)

    def wait_for_prediction(self, node: ChildProcess) -> None:
        """Send frames until the first prediction arrives."""
        end = time.monotonic() + READY_TIMEOUT
        while not self.live.latencies:
            self._executor.spin_once(timeout_sec=0.1)
            if node.exit_code is not None or time.monotonic() > end:
                raise TimeoutError(f"no prediction within {READY_TIMEOUT:g} s\n{node.describe_end()}")

    def watch(self, process: psutil.Process, seconds: float) -> Live:
        """Send frames for some seconds and return what was seen.

        Raises:
            TimeoutError: the node did not answer.
        """
        self.live = Live()
        command = [sys.executable, "-m", "benchmarks.asker", "--node", "predictor", "--seconds", str(seconds)]
        asker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started, used = time.monotonic(), sum(process.cpu_times()[:2])
        with tqdm(total=round(seconds), unit="s", desc="node") as bar:
            while (elapsed := time.monotonic() - started) < seconds or asker.poll() is None:
                self._executor.spin_once(timeout_sec=0.1)
                if elapsed >= len(self.live.memory):
                    self.live.memory.append((elapsed, process.memory_info().rss))
                    bar.update()
        self.live.seconds = time.monotonic() - started
        self.live.cpu_seconds = sum(process.cpu_times()[:2]) - used
        answers, errors = asker.communicate()
        if asker.returncode:
            raise TimeoutError(errors.strip())
        self.live.answers = json.loads(answers)
        return self.live

    def _send_frame(self) -> None:
        frame = self._frames[self.live.sent % len(self._frames)]
        self._camera.publish(image_from_rgb(frame, Header(stamp=self.get_clock().now().to_msg(), frame_id="camera")))
        self.live.sent += 1

    def _on_prediction(self, message: Image) -> None:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        self.live.latencies.append((self.get_clock().now().nanoseconds - stamp) / 1e9)
