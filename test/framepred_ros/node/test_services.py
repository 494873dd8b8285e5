"""Predictions on demand, and holding them back, over the real services."""

import pytest
from ros_testing import INSTRUCTION, Camera, make_picture, predictor_node_here, stamp_of
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def node(tiny_checkpoint):
    with predictor_node_here(checkpoint=tiny_checkpoint) as node:
        yield node


def demand(tester):
    return tester.call(Trigger, "predictor/predict", Trigger.Request())


def pause(tester, on):
    return tester.call(SetBool, "predictor/pause", SetBool.Request(data=on))


def test_a_prediction_on_demand_needs_an_instruction_and_a_frame_and_says_so(node, tester):
    camera = Camera(tester)
    camera.wait_for_node()
    tester.wait_for_state("predictor", "active")  # it has its topics a moment before
    answer = demand(tester)
    assert not answer.success and "there is no instruction" in answer.message
    words = tester.create_publisher(String, "instruction", 1)
    tester.wait_until(lambda: words.get_subscription_count(), "the node hears instructions")
    words.publish(String(data=INSTRUCTION))
    tester.wait_until(lambda: node._pipeline.channels[""].instruction == INSTRUCTION, "the instruction is in force")
    answer = demand(tester)
    assert not answer.success and "no frame" in answer.message
    camera.predict(make_picture())
    answer = demand(tester)
    assert answer.success and "frame 1001.000000042" in answer.message and "predicted in 0." in answer.message
    tester.wait_until(lambda: len(camera.predictions) == 2, "the prediction on demand is published")
    tester.destroy_publisher(camera.publisher)


def test_a_paused_node_predicts_on_demand_only(node, tester):
    camera = Camera(tester)
    camera.wait_for_node()
    camera.predict(make_picture())
    assert pause(tester, True).success
    paused = camera.send_picture(make_picture(seed=1))
    newest = camera.send_picture(make_picture(seed=2))
    tester.wait_until(
        lambda: node._pipeline._worker.frames._newest[""].header.stamp.sec == newest[0], "the frames have arrived"
    )
    assert paused not in map(stamp_of, camera.predictions) and newest not in map(stamp_of, camera.predictions)
    assert f"frame {newest[0]}." in demand(tester).message
    camera.wait_for_prediction(newest)
    assert pause(tester, False).message == "predicting"
    camera.predict(make_picture(seed=3))
    assert paused not in map(stamp_of, camera.predictions)
    tester.destroy_publisher(camera.publisher)


def test_a_frame_that_cannot_be_used_is_an_answer_too(node, tester):
    camera = Camera(tester)
    camera.wait_for_node()
    assert pause(tester, True).success
    stamp = camera.send_picture(make_picture(32, 32))
    tester.wait_until(
        lambda: node._pipeline._worker.frames._newest[""].header.stamp.sec == stamp[0], "the frame has arrived"
    )
    answer = demand(tester)
    assert not answer.success and "nothing could be predicted" in answer.message
    assert pause(tester, False).success
    tester.destroy_publisher(camera.publisher)


def test_a_demand_does_not_wait_for_max_rate(node, tester):
    camera = Camera(tester)
    camera.wait_for_node()
    camera.predict(make_picture())
    assert tester.set_parameter("predictor", "max_rate", 0.001).successful
    stamp = camera.send_picture(make_picture(seed=1))
    tester.wait_until(
        lambda: node._pipeline._worker.frames._newest[""].header.stamp.sec == stamp[0], "the frame has arrived"
    )
    assert stamp not in map(stamp_of, camera.predictions)
    assert demand(tester).success
    camera.wait_for_prediction(stamp)
    assert tester.set_parameter("predictor", "max_rate", 0.0).successful
    tester.destroy_publisher(camera.publisher)


def test_an_inactive_node_refuses(node, tester):
    assert tester.change_state("predictor", "deactivate")
    answer = demand(tester)
    assert not answer.success and "inactive" in answer.message
