"""What is heard on the instruction topic, and who is warned of it."""

from contextlib import contextmanager

import pytest
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.event_handler import PublisherEventCallbacks
from ros_testing import LATCHED, running_tester
from std_msgs.msg import String

from framepred_ros.node.instruction_topic import InstructionTopic

pytestmark = pytest.mark.ros


@pytest.fixture
def topic():
    """An instruction topic of a node of its own, which `listening` spins."""
    with running_tester() as node:
        yield InstructionTopic(node, "", MutuallyExclusiveCallbackGroup())


def listening(topic, condition):
    """Return a condition for another node to wait for, during which the topic's node listens."""

    def check():
        topic._node._executor.spin_once(timeout_sec=0.02)
        return condition()

    return check


@contextmanager
def publisher(tester, qos):
    """A publisher of instructions and the list of the warnings of incompatible subscriptions that it got."""
    warnings = []
    callbacks = PublisherEventCallbacks(incompatible_qos=warnings.append)
    publisher = tester.create_publisher(String, "instruction", qos, event_callbacks=callbacks)
    yield publisher, warnings
    tester.destroy_publisher(publisher)


def test_a_plain_publisher_is_heard_and_not_warned(topic, tester):
    with publisher(tester, 1) as (plain, warnings):
        tester.wait_until(listening(topic, plain.get_subscription_count), "it is heard")
        for text in ("lift it", "put it down"):
            plain.publish(String(data=text))
            tester.wait_until(listening(topic, lambda wanted=text: topic.text == wanted), "the text")
        looks = []
        timer = topic._node.create_timer(topic._timer.timer_period_ns / 1e9, lambda: looks.append(1))
        tester.wait_until(listening(topic, lambda: len(looks) > 2), "it has looked for latched publishers")
        topic._node.destroy_timer(timer)
        assert not warnings and topic._latched is None


def test_what_was_latched_before_is_heard_once_even_if_something_newer_came_meanwhile(topic, tester):
    with publisher(tester, LATCHED) as (latched, _), publisher(tester, 1) as (plain, _):
        tester.wait_until(listening(topic, latched.get_subscription_count), "it is heard")
        topic._node.destroy_timer(topic._timer)  # so that it looks for it only below
        latched.publish(String(data="old"))
        tester.wait_until(listening(topic, lambda: topic.text == "old"), "the latched text")
        tester.wait_until(listening(topic, plain.get_subscription_count), "the plain one is heard")
        plain.publish(String(data="new"))
        tester.wait_until(listening(topic, lambda: topic.text == "new"), "the new text")
        if topic._latched is not None:
            topic._node.destroy_subscription(topic._latched)
            topic._latched = None
        heard = len(topic._seen)
        topic._look_for_latched()
        tester.wait_until(listening(topic, lambda: latched.get_subscription_count() == 2), "it asks for what was said")
        again = tester.record(String, "instruction", LATCHED)
        tester.wait_until(listening(topic, lambda: again), "who asks for it gets it")
        assert topic.text == "new" and len(topic._seen) == heard


def test_what_was_latched_before_the_node_came_is_heard(tester):
    with publisher(tester, LATCHED) as (latched, _), running_tester() as node:
        latched.publish(String(data="from before"))
        topic = InstructionTopic(node, "", MutuallyExclusiveCallbackGroup())
        tester.wait_until(listening(topic, lambda: topic.text == "from before"), "the latched text")
        tester.destroy_publisher(latched)
        tester.wait_until(listening(topic, lambda: topic._latched is None), "nothing latched is asked for any more")
