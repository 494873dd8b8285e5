"""The node's services: a prediction on demand, and holding predictions back."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from framepred_ros.node.newest_frames import Frame


class PredictionServices:
    """Offers `~/predict` (std_srvs/Trigger) and `~/pause` (std_srvs/SetBool).

    Args:
        node: the node that offers them.
        request: asks for a prediction from the newest frames and returns the Future of those that it was made from;
            LookupError says why it cannot.
    """

    def __init__(self, node: Node, request: Callable[[], Future[list[Frame]]]) -> None:
        self.paused = False
        self._node, self._request = node, request
        # A group of its own: while a call waits for its prediction, one thread of the executor waits with it.
        group = MutuallyExclusiveCallbackGroup()
        node.create_service(Trigger, "~/predict", self._on_predict, callback_group=group)
        node.create_service(SetBool, "~/pause", self._on_pause)

    def _on_predict(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        started = time.monotonic()
        try:
            frames = self._request().result()
        except LookupError as error:
            response.message = str(error)
            return response
        except CancelledError:
            response.message = "the node was deactivated before the prediction was made"
            return response
        response.success = bool(frames)
        latency = time.monotonic() - started
        response.message = (
            f"predicted in {latency:.3f} s from {', '.join(map(_describe, frames))}"
            if frames
            else "nothing could be predicted from the newest frame; /diagnostics and the node's log say why"
        )
        return response

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.paused = bool(request.data)
        response.success = True
        response.message = "predicting on demand only" if self.paused else "predicting"
        self._node.get_logger().info(f"On request: {response.message}")
        return response


def _describe(frame: Frame) -> str:
    stamp = frame.header.stamp
    camera = f"camera {frame.camera}, " if frame.camera else ""
    return f"{camera}frame {stamp.sec}.{stamp.nanosec:09d}"
