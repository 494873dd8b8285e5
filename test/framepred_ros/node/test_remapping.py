"""Remap rules are applied once, and the log and the diagnostics name the topics that are really used."""

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ros_testing import INSTRUCTION, LATCHED, Camera, make_picture, predictor_node_here
from std_msgs.msg import String

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def run(tiny_checkpoint):
    """Return a function that runs an active node with remap rules."""

    def run_node(*rules, **parameters):
        arguments = [word for rule in rules for word in ("-r", rule)]
        return predictor_node_here(*arguments, checkpoint=tiny_checkpoint, instruction=INSTRUCTION, **parameters)

    return run_node


def subscribed(node):
    return {each.topic_name for each in node.subscriptions if "image" in each.topic_name}


def reported(tester, camera):
    """The image topic that the diagnostics name."""
    arrays = tester.record(DiagnosticArray, "/diagnostics")

    def found():
        statuses = [each for array in arrays[-1:] for each in array.status if each.name.endswith(camera)]
        return [pair.value for each in statuses for pair in each.values if pair.key == "image topic"]

    tester.wait_until(found, f"a status of {camera}")
    return found()[0]


def test_a_chain_of_rules_is_not_followed(run, tester):
    with run("image:=/predicted_frame", "predicted_frame:=/second", "instruction:=/a", "/a:=/b") as node:
        tester.wait_until(lambda: tester.count_publishers("/second"), "the node offers its output")
        tester.wait_until(lambda: tester.count_subscribers("/predicted_frame"), "the node hears the camera")
        assert tester.count_subscribers("/second") == tester.count_subscribers("/b") == 0
        assert reported(tester, "camera") == "/predicted_frame"
        assert node._instruction.topic == "/a" and tester.count_subscribers("/a") == 1


@pytest.mark.parametrize("transport, suffix", [("raw", ""), ("compressed", "/compressed")])
def test_two_cameras_can_be_swapped(run, tester, transport, suffix):
    rules = "left/image:=/right/image", "right/image:=/left/image"
    with run(*rules, cameras=["left", "right"], image_transport=transport) as node:
        tester.wait_until(lambda: len(subscribed(node)) == 2, "the node is active")
        channels = node._pipeline.channels
        for name, other in (("left", "right"), ("right", "left")):
            topic = f"/{other}/image{suffix}"
            assert channels[name].input._subscription.topic_name == channels[name].input.topic == topic
            assert reported(tester, f"camera {name}") == topic


def test_compressed_topics_go_with_their_base_topics(run, tester, capfd):
    rules = "image:=/front/image_raw", "predicted_frame:=/front/future"
    with run(*rules, image_transport="compressed") as node:
        tester.wait_until(lambda: subscribed(node) == {"/front/image_raw/compressed"}, "the node is active")
        topics = {each.topic_name for each in node.publishers}
        assert {"/front/future", "/front/future/compressed"} < topics
        log = []
        tester.wait_until(lambda: log.append(capfd.readouterr().err) or "Active: " in "".join(log), "the log")
        assert "frames from /front/image_raw/compressed, predictions on /front/future" in "".join(log)


def test_a_remapped_camera_is_predicted_from_and_told(run, tester):
    with run("image:=/front/image", "instruction:=/words"):
        camera = Camera(tester, "front/")
        tester.destroy_subscription(next(each for each in tester.subscriptions if "front" in each.topic_name))
        camera.predictions = tester.record(type(camera.message_of(make_picture())), "predicted_frame")
        tester.wait_until(lambda: camera.publisher.get_subscription_count() == 1, "the node listens to the camera")
        echoes = tester.record(String, "predictor/instruction", LATCHED)
        words = tester.create_publisher(String, "/words", 1)
        tester.wait_until(words.get_subscription_count, "the node hears instructions")
        words.publish(String(data="stack the blocks"))
        tester.wait_until(lambda: [each.data for each in echoes][-1:] == ["stack the blocks"], "the echo")
        assert camera.predict(make_picture()).width == 128
