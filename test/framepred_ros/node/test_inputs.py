"""What the node hears: compressed frames, any kind of instruction, overridden QoS."""

import threading

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_testing import INSTRUCTION, LATCHED, Camera, make_header, make_picture, predictor_node_here, stamp_of
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from framepred_ros.node import camera_input
from framepred_ros.ros.image_messages import rgb_from_image

pytestmark = pytest.mark.ros


class CompressedCamera(Camera):
    """Publishes PNG, which loses nothing."""

    def __init__(self, tester, topic, reliability):
        super().__init__(tester)
        tester.destroy_publisher(self.publisher)
        self.publisher = tester.create_publisher(CompressedImage, topic, QoSProfile(depth=1, reliability=reliability))

    def message_of(self, picture):
        message = CompressedImage(format="rgb8; png compressed bgr8")
        message.data.frombytes(cv2.imencode(".png", picture[..., ::-1])[1].reshape(-1))
        return message


@pytest.fixture(scope="module")
def node(tiny_checkpoint):
    arguments = ("-r", "image:=/front/image_raw", "-p", "qos_overrides./comparison.publisher.reliability:=best_effort")
    with predictor_node_here(*arguments, checkpoint=tiny_checkpoint, image_transport="compressed") as node:
        yield node


@pytest.fixture
def words(node, tester):
    """A plain publisher of instructions that the node hears, and what the node echoes."""
    publisher = tester.create_publisher(String, "instruction", 1)
    publisher.echoes = tester.record(String, "predictor/instruction", LATCHED)
    tester.wait_until(lambda: publisher.get_subscription_count(), "the node hears instructions")
    yield publisher
    tester.destroy_publisher(publisher)


def frames_without_instruction(array):
    values = {pair.key: pair.value for status in array.status for pair in status.values}
    return int(values.get("dropped, no instruction", 0))


def say(tester, words, text):
    words.publish(String(data=text))
    tester.wait_until(lambda: words.echoes and words.echoes[-1].data == text.strip(), "the instruction is echoed")


@pytest.mark.parametrize("reliability", [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT])
def test_compressed_frames_are_predicted_from(node, tester, words, tiny_checkpoint, reliability):
    from framepred_ros.prediction.predictor import FramePredictor

    say(tester, words, INSTRUCTION)
    camera = CompressedCamera(tester, "/front/image_raw/compressed", reliability)
    camera.wait_for_node()
    picture = make_picture()
    expected = FramePredictor.from_pretrained(tiny_checkpoint, device="cpu").predict(picture, INSTRUCTION)
    np.testing.assert_array_equal(rgb_from_image(camera.predict(picture)), expected)
    camera.send(CompressedImage(format="jpeg", data=b"no picture"))
    assert camera.predict(picture).width == 128, "garbage costs one prediction"
    tester.destroy_publisher(camera.publisher)


def test_an_empty_instruction_pauses_until_the_next_one(node, tester, words):
    say(tester, words, INSTRUCTION)
    camera = CompressedCamera(tester, "/front/image_raw/compressed", ReliabilityPolicy.RELIABLE)
    camera.wait_for_node()
    camera.predict(make_picture())
    say(tester, words, " \n")
    arrays = tester.record(DiagnosticArray, "/diagnostics")
    paused = camera.send_picture(make_picture(seed=1))
    # Frames and instructions come by ways of their own: the next instruction may overtake the frame.
    tester.wait_until(lambda: arrays and frames_without_instruction(arrays[-1]) > 0, "the paused frame has arrived")
    say(tester, words, "stack the blocks")
    camera.predict(make_picture(seed=2))
    assert paused not in map(stamp_of, camera.predictions)
    tester.destroy_publisher(camera.publisher)


def test_what_the_encoder_does_not_see_is_said_once(node, tester, words, capfd):
    text = "pick up the red block with the left arm " * 30 + "赤いブロック 🦾 and stop"
    camera = CompressedCamera(tester, "/front/image_raw/compressed", ReliabilityPolicy.BEST_EFFORT)
    camera.wait_for_node()
    say(tester, words, text)
    assert words.echoes[-1].data == text, "the echo is whole, whatever the encoder sees"
    for seed in range(3):
        camera.predict(make_picture(seed=seed))
    assert capfd.readouterr().err.count("too long for the model, which does not see") == 1
    tester.destroy_publisher(camera.publisher)


@pytest.mark.parametrize("text", ["", "x" * 1_000_000, "\U0001f9be" * 10_000])
def test_instructions_of_any_length_are_echoed(node, tester, words, text):
    say(tester, words, "something else")
    say(tester, words, text)


def test_a_users_qos_is_what_the_topics_get(node, tester):
    (info,) = tester.get_publishers_info_by_topic("/comparison")
    assert info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    names = [name for name in node._parameters if name.startswith("qos_overrides.")]
    assert "qos_overrides./front/image_raw/compressed.subscription.reliability" in names


def test_a_user_can_listen_as_best_effort_from_the_start(tester, tiny_checkpoint):
    options = ("-r", "__ns:=/other", "-p", "qos_overrides./other/image.subscription.reliability:=best_effort")
    with predictor_node_here(*options, checkpoint=tiny_checkpoint, instruction=INSTRUCTION):
        camera = Camera(tester, "/other/")
        camera.wait_for_node()
        (info,) = tester.get_subscriptions_info_by_topic("/other/image")
        assert info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        assert camera.predict(make_picture()).header.frame_id == make_header(0).frame_id


def test_a_subscription_that_receives_nothing_any_more_is_replaced(tester, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(camera_input, "PATIENCE", 1.0)
    options = ("-r", "__ns:=/overloaded")
    with predictor_node_here(*options, checkpoint=tiny_checkpoint, instruction=INSTRUCTION) as node:
        camera = Camera(tester, "/overloaded/")
        camera.wait_for_node()
        camera.predict(make_picture())

        def subscriptions():
            return [each for each in node.subscriptions if each.topic_name == "/overloaded/image"]

        (deaf,) = subscriptions()
        deaf.callback = lambda message: None  # though both sides are connected
        tester.wait_until(lambda: subscriptions() and deaf not in subscriptions(), "the node subscribes anew")
        assert camera.predict(make_picture(seed=1)).width == 128
        tester.destroy_publisher(camera.publisher)


def test_nothing_is_handed_over_any_more_once_an_input_has_closed(tester):
    begun, may_end, order = threading.Event(), threading.Event(), []

    def take(message):
        begun.set()
        assert may_end.wait(20)
        order.append(message)

    group = MutuallyExclusiveCallbackGroup()
    camera = camera_input.CameraInput(tester, "closing", "raw", take, group)
    camera.open()
    executor = threading.Thread(target=camera._on_message, args=("under way",))
    executor.start()
    assert begun.wait(20)
    lifecycle = threading.Thread(target=lambda: (camera.close(), order.append("closed")))
    lifecycle.start()
    lifecycle.join(0.2)
    may_end.set()
    executor.join(20)
    lifecycle.join(20)
    camera._on_message("late")
    assert order == ["under way", "closed"]
