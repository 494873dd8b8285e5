"""A callback that raises is a line in the log, not the end of the process."""

import pytest
import rclpy
from ros_testing import running_tester
from std_msgs.msg import String

from framepred_ros.ros.guards import guarded

pytestmark = pytest.mark.ros


@pytest.fixture
def node():
    with running_tester() as node:
        yield node


def test_a_failing_callback_is_logged_and_the_node_goes_on(node, capfd):
    heard = []

    def on_message(message):
        heard.append(message.data)
        raise ValueError(f"no use for {message.data}")

    node.create_subscription(String, "words", guarded(node, on_message), 10)
    publisher = node.create_publisher(String, "words", 10)
    node.wait_until(publisher.get_subscription_count, "the subscription")
    for text in ("one", "two"):
        publisher.publish(String(data=text))
    node.wait_until(lambda: heard == ["one", "two"], "both messages")
    log = capfd.readouterr().err
    assert log.count("on_message failed: ValueError: no use for one") == 1
    assert "two" not in log, "a callback that keeps failing does not flood the log"


def test_after_the_end_nothing_is_logged(node, capfd):
    callback = guarded(node, lambda: 1 / 0)
    rclpy.shutdown(context=node.context)
    callback()
    assert "ZeroDivisionError" not in capfd.readouterr().err
