import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import rclpy
from rclpy._rclpy_pybind11 import InvalidHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import Executor, MultiThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import String

from framepred_ros.node_process import NodeExecutor

pytestmark = pytest.mark.ros
THREADS = 2
TIMEOUT = 20.0  # seconds


@contextmanager
def running() -> Iterator[tuple[Node, list[float]]]:
    """A node that spins, and a list that gets an entry for each time that its executor gathers what to wait for."""
    context, rounds = Context(), []
    rclpy.init(context=context)

    class Counting(NodeExecutor):
        def get_nodes(self):
            if threading.current_thread() is thread:
                rounds.append(time.monotonic())
            return super().get_nodes()

    executor = Counting(THREADS, context=context)
    node = Node("node", context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    try:
        yield node, rounds
    finally:
        Executor.shutdown(executor, timeout_sec=TIMEOUT)
        thread.join(TIMEOUT)
        node.destroy_node()
        rclpy.shutdown(context=context)


def wait_for(condition) -> None:
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


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


def test_it_rests_while_a_message_waits_for_a_thread():
    with running() as (node, rounds):
        received, started, release = [], [], threading.Event()
        group = ReentrantCallbackGroup()
        publisher = node.create_publisher(String, "text", 10)
        node.create_subscription(String, "text", received.append, 10, callback_group=group)
        wait_for(publisher.get_subscription_count)

        def block():
            timer = timers[len(started)]
            timer.cancel()
            started.append(timer)
            release.wait(TIMEOUT)

        timers = [node.create_timer(0.001, block, group) for _ in range(THREADS)]
        wait_for(lambda: len(started) == THREADS)
        try:
            publisher.publish(String(data="message"))
            before = len(rounds)
            time.sleep(0.5)  # in which nothing can be done
            assert len(rounds) - before < 200  # rclpy's own: 8,000
        finally:
            release.set()
        wait_for(lambda: received)
