import threading

import pytest
import rclpy
from rclpy._rclpy_pybind11 import InvalidHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.node import Node
from rclpy.waitable import NumberOfEntities, Waitable

from framepred_ros.node_process import NodeExecutor


class DestroyedMeanwhile(Waitable):
    """What a subscription's event is when another thread destroys it while the executor gathers what to wait for."""

    def __init__(self):
        super().__init__(ReentrantCallbackGroup())
        self.seen, self.seen_again = threading.Event(), threading.Event()

    def add_to_wait_set(self, wait_set):
        if not self.seen.is_set():
            self.seen.set()
            raise InvalidHandle("cannot use Destroyable because destruction was requested")
        self.seen_again.set()

    def get_num_entities(self):
        return NumberOfEntities()

    def is_ready(self, wait_set):
        return False

    def take_data(self):
        return None

    async def execute(self, taken_data):
        pass


@pytest.mark.ros
def test_what_is_destroyed_meanwhile_does_not_end_the_executor():
    context = Context()
    rclpy.init(context=context)
    node, executor, waitable = Node("taker", context=context), NodeExecutor(2, context=context), DestroyedMeanwhile()
    node.add_waitable(waitable)
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin)
    spinning.start()
    try:
        assert waitable.seen.wait(10) and waitable.seen_again.wait(10)
        assert spinning.is_alive()
    finally:
        executor.shutdown(timeout_sec=5)
        rclpy.shutdown(context=context)
        spinning.join(10)
