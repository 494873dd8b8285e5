"""A predictor node in a process of its own, fed by a camera and questioned by others, paused and predicting."""

from __future__ import annotations

import itertools
import json
import os
import select
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
from std_srvs.srv import SetBool
from tqdm import tqdm

from benchmarks.shipped import ShippedEpisode, shipped_episodes
from framepred_ros.demo.processes import ChildProcess
from framepred_ros.ros.image_messages import image_from_rgb
from framepred_ros.ros.local_network import free_domain_id, local_environment

WIDTH, HEIGHT, RATE = 640, 480, 30.0
READY_TIMEOUT = 600.0  # seconds until its first prediction: some engines compile
ANSWER_TIMEOUT = 10.0  # seconds


@dataclass
class Watch:
    """What was seen of the node for some seconds. Times in seconds, memory in bytes.

    Attributes:
        latencies: from a frame's stamp to its prediction received.
        answers: how long answers to parameter requests took, as `benchmarks.asker` saw it.
        lateness: how late the node's executor called a timer, as `benchmarks.probed_node` saw it.
        memory: (seconds since the start, resident memory).
        stolen: processor time that the hypervisor gave to other virtual machines while a process here wanted it.
    """

    started: float  # of the monotonic clock
    seconds: float = 0.0
    sent: int = 0
    cpu_seconds: float = 0.0
    stolen: float = 0.0
    latencies: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)


@dataclass
class Live:
    """A run of the node: first paused, so that frames arrive but nothing is predicted, then predicting."""

    paused: Watch
    predicting: Watch


def measure_live(seconds: float, checkpoint: str, engine: str) -> Live:
    """Watches a predictor node for some seconds while it is paused, and as long while it predicts.

    Raises:
        TimeoutError: the node made no prediction in time, or did not answer; the message says more.
    """
    os.environ.update(local_environment(free_domain_id()))
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder:
        episode, probe = shipped_episodes()[0], Path(folder) / "lateness.json"
        client = Client(episode)
        log = Path(folder) / "node.log"
        options = {"checkpoint": checkpoint, "engine": engine, "instruction": episode.instruction}
        try:
            with ChildProcess("benchmarks.probed_node", log, probe_file=str(probe), **options) as node:
                client.wait_for_prediction(node)
                process = psutil.Process(node.pid)
                client.pause(True)
                paused = client.watch(process, seconds, "paused")
                client.pause(False)
                live = Live(paused, client.watch(process, seconds, "predicting"))
        finally:
            client.destroy_node()
            rclpy.try_shutdown()
        late = json.loads(probe.read_text(encoding="utf-8"))
    for watch in (live.paused, live.predicting):
        watch.lateness = [value for at, value in late if 0 <= at - watch.started < watch.seconds]
    return live


class Client(Node):
    """The camera and the subscriber of predictions in one process. Questions come from another, which never waits."""

    def __init__(self, episode: ShippedEpisode) -> None:
        super().__init__("benchmark")
        self._watch = Watch(time.monotonic())
        self._frames = itertools.cycle([cv2.resize(frame, (WIDTH, HEIGHT)) for frame in episode.frames])
        self._camera = self.create_publisher(Image, "image", QoSProfile(depth=1))
        self._pause = self.create_client(SetBool, "predictor/pause")
        self.create_subscription(Image, "predicted_frame", self._on_prediction, QoSProfile(depth=10))
        self.create_timer(1 / RATE, self._send_frame)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)

    def wait_for_prediction(self, node: ChildProcess) -> None:
        """Send frames until the first prediction arrives."""
        end = time.monotonic() + READY_TIMEOUT
        while not self._watch.latencies:
            self._executor.spin_once(timeout_sec=0.1)
            if node.exit_code is not None or time.monotonic() > end:
                raise TimeoutError(f"no prediction within {READY_TIMEOUT:g} s\n{node.describe_end()}")

    def pause(self, paused: bool) -> None:
        """Pause the node or let it go on. Raises TimeoutError if it does not answer."""
        self._pause.wait_for_service(ANSWER_TIMEOUT)
        future = self._pause.call_async(SetBool.Request(data=paused))
        self._executor.spin_until_future_complete(future, ANSWER_TIMEOUT)
        if not future.done():
            raise TimeoutError(f"the node did not answer within {ANSWER_TIMEOUT:g} s")

    def watch(self, process: psutil.Process, seconds: float, title: str) -> Watch:
        """Send frames for some seconds and return what was seen.

        Raises:
            TimeoutError: the node did not answer.
        """
        command = [sys.executable, "-m", "benchmarks.asker", "--node", "predictor", "--seconds", str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asker:
            while not select.select([asker.stdout], [], [], 0)[0]:  # importing rclpy is not to be measured
                self._executor.spin_once(timeout_sec=0.1)
            asker.stdout.readline()
            self._watch = watch = Watch(time.monotonic())
            used, stolen = sum(process.cpu_times()[:2]), _stolen()
            with tqdm(total=round(seconds), unit="s", desc=title) as bar:
                while not select.select([asker.stdout], [], [], 0)[0]:
                    self._executor.spin_once(timeout_sec=0.1)
                    elapsed = time.monotonic() - watch.started
                    if elapsed >= len(watch.memory):
                        watch.memory.append((elapsed, process.memory_info().rss))
                        bar.update()
            watch.seconds = time.monotonic() - watch.started
            watch.cpu_seconds = sum(process.cpu_times()[:2]) - used
            watch.stolen = _stolen() - stolen
            self._watch = Watch(time.monotonic())  # of what comes after
            answers = asker.stdout.read()
        if asker.returncode:
            raise TimeoutError("the node did not answer")
        watch.answers = json.loads(answers)
        return watch

    def _send_frame(self) -> None:
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id="camera")
        self._camera.publish(image_from_rgb(next(self._frames), header))
        self._watch.sent += 1

    def _on_prediction(self, message: Image) -> None:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        self._watch.latencies.append((self.get_clock().now().nanoseconds - stamp) / 1e9)


def _stolen() -> float:
    """Seconds of all processors since the machine started; 0 where the system does not say."""
    return getattr(psutil.cpu_times(), "steal", 0.0)
