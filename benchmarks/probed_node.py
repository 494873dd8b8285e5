"""A predictor node that notes how late its executor is, run as `framepred_ros.node.predictor_node` is.

python -m benchmarks.probed_node --ros-args -p probe_file:=FILE ...

A timer of 20 ms says, each time that it is called, how long it has been due. At the end the node writes the file: a
JSON list of [seconds of the monotonic clock, seconds late].
"""

import json
import time
from pathlib import Path
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.timer import TimerInfo

from framepred_ros.node.predictor_node import PredictorNode, main

PERIOD = 0.02  # seconds


class ProbedNode(PredictorNode):
    """The node with the timer, in a callback group of its own: it waits for nothing but the executor."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._file = Path(self.declare_parameter("probe_file", "lateness.json").value)
        self._late: list[tuple[float, float]] = []
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(PERIOD, self._on_timer, MutuallyExclusiveCallbackGroup(), clock=steady)

    def destroy_node(self) -> None:
        """Write the file, then as the base class."""
        self._file.write_text(json.dumps(self._late), encoding="utf-8")
        super().destroy_node()

    def _on_timer(self, info: TimerInfo) -> None:  # rclpy looks at the annotation, which must be no text
        now = time.monotonic_ns()
        self._late.append((now / 1e9, (now - info.expected_call_time.nanoseconds) / 1e9))


if __name__ == "__main__":
    main(node_type=ProbedNode)
