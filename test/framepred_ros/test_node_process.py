import pytest
import rclpy
from rclpy._rclpy_pybind11 import InvalidHandle
from rclpy.context import Context
from rclpy.executors import MultiThreadedExecutor

from framepred_ros.node_process import NodeExecutor


@pytest.mark.ros
def test_what_is_destroyed_meanwhile_does_not_end_the_executor(monkeypatch):
    """The race in rclpy is too rare to be provoked; what it raises is not."""
    context = Context()
    rclpy.init(context=context)
    executor = NodeExecutor(2, context=context)
    rounds = []

    def spin_once(self, timeout_sec=None):
        rounds.append(timeout_sec)
        if len(rounds) == 3:
            executor.shutdown(timeout_sec=1)
        raise InvalidHandle("cannot use Destroyable because destruction was requested")

    monkeypatch.setattr(MultiThreadedExecutor, "spin_once", spin_once)
    try:
        executor.spin()
    finally:
        rclpy.shutdown(context=context)
    assert len(rounds) == 3
