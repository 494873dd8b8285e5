"""The prediction monitor at work in the node: a thread that scores, and the topic with its scores."""

from __future__ import annotations

import queue
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray, MultiArrayDimension

from framepred_ros.monitoring.judgement import ALERT, RUNNING, MonitorScore
from framepred_ros.monitoring.prediction_monitor import MonitorOptions, PredictionMonitor
from framepred_ros.node.newest_frames import Frame
from framepred_ros.node.topics import camera_topic
from framepred_ros.ros.image_messages import ImageMessageError

SCORES = ("ssim", "psnr", "copy_ssim", "copy_psnr", "surprise")
SCORE_FIELDS = ("stamp", *SCORES, *(f"running_{name}" for name in RUNNING), "alert")
QUEUE_LENGTH = 60  # frames and predictions; a score takes about as long as a camera's period


@dataclass(frozen=True)
class MonitorHealth:
    """What is reported about a monitor: figures by name, and why it raises the alert (empty if it does not)."""

    values: dict[str, str]
    alert: str


class CameraMonitor:
    """Scores one camera's predictions when the frames that they predicted arrive.

    Publishes `~/monitor/scores` (std_msgs/Float64MultiArray), one message per score: `SCORE_FIELDS` in this order. The
    label of the layout's only dimension names them.

    Args:
        node: the node that publishes.
        camera: the camera's name; empty for the single camera.
        options: of the PredictionMonitor.
    """

    def __init__(self, node: Node, camera: str, options: MonitorOptions) -> None:
        self._node = node
        self._monitor = PredictionMonitor(options)
        self._publisher = node.create_publisher(Float64MultiArray, "~/" + camera_topic(camera, "monitor/scores"), 10)
        self._instruction: str | None = None
        self._alert = ""
        self._overrun = 0
        self._queue: queue.Queue = queue.Queue(QUEUE_LENGTH)
        self._thread = threading.Thread(target=self._run, name=f"monitor {camera}", daemon=True)
        self._thread.start()

    def add_frame(self, frame: Frame, instruction: str) -> None:
        """Take in a camera frame, every one and in order, with the instruction in force."""
        self._put(self._take_frame, frame, instruction)

    def add_prediction(self, frame: Frame, predicted: np.ndarray, horizon: float) -> None:
        """Take in what was predicted from a frame, RGB uint8 of its size, and for how many seconds later."""
        self._put(self._take_prediction, frame, predicted, horizon)

    def reset(self) -> None:
        """Forget what is being waited for; what was learned stays."""
        self._put(self._monitor.reset)

    def health(self) -> MonitorHealth:
        """Return the monitor's figures and its alert."""
        values = {"monitor state": self._monitor.state, "monitor predictions missed": str(self._monitor.missed)}
        values |= {f"monitor {name}": f"{value:.3f}" for name, value in self._monitor.running.items()}
        if self._overrun:
            values["monitor frames skipped, too busy"] = str(self._overrun)
        return MonitorHealth(values, self._alert)

    def close(self) -> None:
        """End the thread, after the score under way, and take the topic back."""
        with suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._queue.put(None)
        self._thread.join()
        self._node.destroy_publisher(self._publisher)

    def _put(self, *job: Any) -> None:
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            self._overrun += 1

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            function, *arguments = job
            try:
                function(*arguments)
            except ImageMessageError:
                continue  # the prediction thread has said so
            except Exception as error:
                if self._node.context.ok():
                    logger = self._node.get_logger()
                    logger.error(f"Monitor: {type(error).__name__}: {error}", throttle_duration_sec=5.0)
                    logger.debug(traceback.format_exc())

    def _take_frame(self, frame: Frame, instruction: str) -> None:
        if instruction != self._instruction:
            self._monitor.reset()
            self._instruction = instruction
        score = self._monitor.add_frame(frame.stamp_ns, frame.rgb)
        self._tell_alert()
        if score is not None:
            self._publisher.publish(self._message(score))

    def _take_prediction(self, frame: Frame, predicted: np.ndarray, horizon: float) -> None:
        self._monitor.add_prediction(frame.stamp_ns, frame.rgb, predicted, horizon)

    def _tell_alert(self) -> None:
        """Log the beginning and the end of an alert."""
        reason = self._monitor.reason
        if reason and not self._alert:
            self._node.get_logger().warning(f"Monitor alert: {explain(reason)}")
        elif self._alert and not reason:
            self._node.get_logger().info("Monitor: predictions come true again")
        self._alert = explain(reason) if reason else ""

    def _message(self, score: MonitorScore) -> Float64MultiArray:
        judgement = self._monitor.latest
        values = [score.stamp_ns / 1e9, *(getattr(score, name) for name in SCORES)]
        values += [judgement.running[name] for name in RUNNING] + [judgement.state == ALERT]
        message = Float64MultiArray(data=[float(value) for value in values])
        size = len(SCORE_FIELDS)
        message.layout.dim = [MultiArrayDimension(label=",".join(SCORE_FIELDS), size=size, stride=size)]
        return message


def explain(reason: str) -> str:
    """Return a monitor's reason together with what it may mean."""
    return f"{reason}; the robot may not be doing what it was told, or the model does not know this scene"
