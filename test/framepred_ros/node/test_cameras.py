"""One node for several cameras: one model, one batch, topics for each."""

import numpy as np
import pytest
from ros_testing import INSTRUCTION, LATCHED, Camera, make_picture, predictor_node_here
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from framepred_ros.node.statistics import Drop
from framepred_ros.ros.image_messages import rgb_from_image

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def node(tiny_checkpoint, predictor):  # the reference first: transformers cannot load in two threads at once
    with predictor_node_here(checkpoint=tiny_checkpoint, cameras=["left", "right"], instruction=INSTRUCTION) as node:
        yield node


@pytest.fixture(scope="module")
def predictor(tiny_checkpoint):
    from framepred_ros.prediction.predictor import FramePredictor

    return FramePredictor.from_pretrained(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def cameras(node, tester):
    cameras = {name: Camera(tester, f"{name}/") for name in ("left", "right")}
    for camera in cameras.values():
        camera.wait_for_node()
    return cameras


def test_each_camera_gets_its_own_prediction_whatever_its_size(cameras, predictor):
    pictures = {"left": make_picture(96, 128), "right": make_picture(120, 80, seed=1)}
    for name, camera in cameras.items():
        expected = predictor.predict(pictures[name], INSTRUCTION)
        np.testing.assert_array_equal(rgb_from_image(camera.predict(pictures[name])), expected)


def test_the_topics_without_a_name_are_not_there(cameras, tester):
    assert tester.count_subscribers("image") == tester.count_publishers("predicted_frame") == 0


def test_all_newest_frames_go_through_the_model_together(node, cameras, tester):
    batches = []
    predict_batch = node._pipeline.predictor.predict_batch

    def recorded(images, *arguments, **options):
        batches.append(len(images))
        return predict_batch(images, *arguments, **options)

    for camera in cameras.values():
        camera.predict(make_picture())
    node._pipeline.predictor.predict_batch = recorded
    answer = tester.call(Trigger, "predictor/predict", Trigger.Request())
    del node._pipeline.predictor.predict_batch
    assert answer.success and "camera left, frame" in answer.message and "camera right, frame" in answer.message
    assert batches == [2]


def test_a_camera_with_unusable_frames_costs_the_other_nothing(node, cameras, tester):
    small = cameras["left"].send_picture(make_picture(32, 32))
    tester.wait_until(
        lambda: node._pipeline._worker.frames._newest["left"].header.stamp.sec == small[0], "the frame has arrived"
    )
    cameras["right"].predict(make_picture())
    answer = tester.call(Trigger, "predictor/predict", Trigger.Request())
    assert answer.success and "left" not in answer.message and "camera right" in answer.message
    cameras["left"].predict(make_picture())


def test_a_camera_may_be_told_something_else(cameras, tester, predictor):
    text, picture = "stack the black block on the red block", make_picture(seed=2)
    words = tester.create_publisher(String, "left/instruction", 1)
    echoes = tester.record(String, "predictor/left/instruction", LATCHED)
    tester.wait_until(lambda: words.get_subscription_count(), "the node hears the left camera's instructions")
    words.publish(String(data=text))
    tester.wait_until(lambda: echoes, "the left camera's instruction is echoed")
    assert echoes[-1].data == text
    for name, instruction in (("left", text), ("right", INSTRUCTION)):
        expected = predictor.predict(picture, instruction)
        np.testing.assert_array_equal(rgb_from_image(cameras[name].predict(picture)), expected)


def test_a_stamp_that_no_prediction_can_carry_costs_that_frame_alone(node, cameras, tester):
    left, right = cameras["left"], cameras["right"]
    assert tester.set_parameter("predictor", "stamp", "predicted").successful
    for seconds, predicted in ((-1, 2), (2**31 - 1, None)):  # before 1970; 3 s before the end of time
        messages = {name: cameras[name].message_of(make_picture(seed=4)) for name in cameras}
        messages["left"].header.stamp.sec = seconds
        messages["right"].header.stamp.sec = 5000 + seconds % 100
        tester.call(SetBool, "predictor/pause", SetBool.Request(data=True))
        for name, message in messages.items():
            cameras[name].publisher.publish(message)

        def arrived(messages=messages):
            newest = node._pipeline._worker.frames._newest
            return all(newest[name].header == message.header for name, message in messages.items())

        tester.wait_until(arrived, "both frames have arrived")
        answer = tester.call(Trigger, "predictor/predict", Trigger.Request())
        assert answer.success and "camera right" in answer.message
        right.wait_for_prediction((messages["right"].header.stamp.sec + 3, 42))
        if predicted is not None:
            left.wait_for_prediction((predicted, 42))
        tester.call(SetBool, "predictor/pause", SetBool.Request(data=False))
    recent = node._pipeline.channels["left"].statistics.summary().recent
    assert "header.stamp.sec is 2147483647" in recent[Drop.UNPUBLISHED]
    assert not node._pipeline.channels["right"].statistics.summary().dropped.get(Drop.UNPUBLISHED)
    assert tester.set_parameter("predictor", "stamp", "source").successful


def test_what_a_camera_was_told_survives_a_cleanup(node, cameras, tester):
    text = node._pipeline.channels["left"].instruction
    assert text != INSTRUCTION, "its own, from the test before"
    for transition in ("deactivate", "cleanup", "configure", "activate"):
        assert tester.change_state("predictor", transition)
    channels = node._pipeline.channels
    assert {name: channels[name].instruction for name in channels} == {"left": text, "right": INSTRUCTION}
    echoes = tester.record(String, "predictor/left/instruction", LATCHED)
    tester.wait_until(lambda: echoes, "the instruction is echoed again")
    assert echoes[0].data == text


def test_cameras_may_only_change_while_unconfigured_and_need_usable_names(node, cameras, tester):
    refused = tester.set_parameter("predictor", "cameras", ["front"])
    assert not refused.successful and "cameras is read when the node configures" in refused.reason
    assert tester.change_state("predictor", "deactivate") and tester.change_state("predictor", "cleanup")
    for names in (["Front"], ["a/b"], [""], ["front", "front"]):
        refused = tester.set_parameter("predictor", "cameras", names)
        assert not refused.successful and "different names" in refused.reason
    assert tester.set_parameter("predictor", "cameras", []).successful
    assert tester.change_state("predictor", "configure") and tester.change_state("predictor", "activate")
    camera = Camera(tester)
    camera.wait_for_node()
    camera.predict(make_picture())
    assert tester.count_subscribers("left/image") == tester.count_subscribers("left/instruction") == 0
