"""The node gives its model what the camera saw before: the test's camera advances a second, one step, per frame."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ros_testing import INSTRUCTION, Camera, make_picture, predictor_node_here
from std_msgs.msg import String
from std_srvs.srv import SetBool
from tiny_checkpoint import make_tiny_checkpoint

from framepred_ros.ros.image_messages import rgb_from_image

pytestmark = pytest.mark.ros
HISTORY = (1, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("conditioned"), history=HISTORY, history_channels=4)


@pytest.fixture(scope="module")
def predictor(folder):
    from framepred_ros.prediction.predictor import FramePredictor

    return FramePredictor.from_pretrained(folder, device="cpu")


@pytest.fixture(scope="module")
def node(folder, predictor):  # the reference first: transformers cannot load in two threads at once
    options = {"instruction": INSTRUCTION, "step_duration": 1.0, "cameras": ["left", "right"]}
    with predictor_node_here(checkpoint=folder, **options) as node:
        yield node


@pytest.fixture
def camera(node, tester):
    camera = Camera(tester, "left/")
    camera.wait_for_node()
    node._pipeline.channels["left"].past.clear()
    yield camera
    tester.destroy_publisher(camera.publisher)
    for subscription in list(tester.subscriptions):
        tester.destroy_subscription(subscription)
    tester.wait_until(lambda: not node._pipeline.channels["left"].outputs.watched, "nobody listens any more")


def expected(predictor, pictures, index, ago=HISTORY, instruction=INSTRUCTION):
    """The prediction from a picture of a list, with those before it that are there."""
    history = {steps: pictures[index - steps] for steps in ago if steps <= index}
    return predictor.predict(pictures[index], instruction, history=history)


def test_predictions_begin_with_what_there_is_and_each_camera_has_its_own_past(camera, node, tester, predictor):
    other = Camera(tester, "right/")
    other.wait_for_node()
    pictures = [make_picture(seed=seed) for seed in range(5)]
    for index, picture in enumerate(pictures):
        predicted = rgb_from_image(camera.predict(picture))
        np.testing.assert_array_equal(predicted, expected(predictor, pictures, index))
    alone = predictor.predict(pictures[0], INSTRUCTION)
    np.testing.assert_array_equal(rgb_from_image(other.predict(pictures[0])), alone)
    assert np.abs(predicted.astype(int) - predictor.predict(pictures[-1], INSTRUCTION)).max() > 3, "it matters"
    arrays = tester.record(DiagnosticArray, "/diagnostics")
    tester.wait_until(lambda: arrays and len(arrays[-1].status) == 3, "/diagnostics of both cameras")
    values = [{each.key: each.value for each in status.values} for status in arrays[-1].status[1:]]
    assert [each["past frames"] for each in values] == ["2 of 2", "0 of 2"]
    tester.destroy_publisher(other.publisher)


def test_a_new_instruction_keeps_the_past_and_a_clock_that_goes_back_ends_it(camera, node, tester, predictor):
    pictures = [make_picture(seed=seed) for seed in range(10, 15)]
    for picture in pictures[:4]:
        camera.predict(picture)
    words = tester.create_publisher(String, "left/instruction", 1)
    tester.wait_until(lambda: words.get_subscription_count(), "the node hears instructions")
    words.publish(String(data="stack the blocks"))
    channel = node._pipeline.channels["left"]
    tester.wait_until(lambda: channel.instruction == "stack the blocks", "the instruction is in force")
    predicted = rgb_from_image(camera.predict(pictures[4]))
    np.testing.assert_array_equal(predicted, expected(predictor, pictures, 4, instruction="stack the blocks"))
    words.publish(String(data=INSTRUCTION))
    tester.wait_until(lambda: channel.instruction == INSTRUCTION, "the first instruction is back")
    camera.index = -500
    predicted = rgb_from_image(camera.predict(pictures[0]))
    np.testing.assert_array_equal(predicted, predictor.predict(pictures[0], INSTRUCTION))


def test_nothing_is_kept_while_nobody_looks_or_predicting_is_paused(camera, node, tester, predictor):
    channel = node._pipeline.channels["left"]
    pictures = [make_picture(seed=seed) for seed in range(20, 26)]
    for picture in pictures[:2]:
        camera.predict(picture)
    assert len(channel.past) == 2
    assert tester.call(SetBool, "predictor/pause", SetBool.Request(data=True)).success
    received = channel.statistics.summary().dropped

    def dropped(count):
        return sum(channel.statistics.summary().dropped.values()) == sum(received.values()) + count

    for count in range(1, 4):
        camera.send_picture(pictures[1 + count])
        tester.wait_until(lambda count=count: dropped(count), "the frame has arrived")
    assert len(channel.past) == 2
    assert tester.call(SetBool, "predictor/pause", SetBool.Request(data=False)).success
    predicted = rgb_from_image(camera.predict(pictures[5]))
    np.testing.assert_array_equal(predicted, predictor.predict(pictures[5], INSTRUCTION))


def test_a_frame_is_unchanged_only_if_its_past_is_too(camera, node, tester, monkeypatch):
    batches, predict_batch = [], node._pipeline.predictor.predict_batch

    def recorded(*arguments, **options):
        batches.append([list(each) for each in options["histories"]])
        return predict_batch(*arguments, **options)

    monkeypatch.setattr(node._pipeline.predictor, "predict_batch", recorded)
    assert tester.set_parameter("predictor", "skip_unchanged", 3).successful
    still = make_picture(seed=31)
    for picture in (make_picture(seed=30), *[still] * 6):
        camera.predict(picture)
    # Moved, stopped, one step later, two, and for the first time with a past that is as still as the frame.
    assert batches == [[[]], [[1]], [[1]], [[1, 3]], [[1, 3]]]
    assert tester.set_parameter("predictor", "skip_unchanged", 0).successful


def test_deactivating_forgets_the_past(camera, node, tester, predictor):
    pictures = [make_picture(seed=seed) for seed in range(40, 43)]
    for picture in pictures[:2]:
        camera.predict(picture)
    for transition in ("deactivate", "activate"):
        assert tester.change_state("predictor", transition)
    camera.wait_for_node()
    predicted = rgb_from_image(camera.predict(pictures[2]))
    np.testing.assert_array_equal(predicted, predictor.predict(pictures[2], INSTRUCTION))


def test_without_the_length_of_a_step_there_is_no_past_and_the_log_says_so(folder, predictor, tester, tmp_path, capfd):
    nameless = make_tiny_checkpoint(tmp_path / "nameless", history=HISTORY, history_channels=4, step_duration=None)
    with predictor_node_here("-r", "__node:=nameless", checkpoint=nameless, instruction=INSTRUCTION) as node:
        tester.wait_for_state("nameless", "active")
        assert node._pipeline.channels[""].past is None
    assert "The model is given no past: the checkpoint does not say how long a step is" in capfd.readouterr().err
