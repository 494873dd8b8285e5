"""The predictor node as users meet it: a process of its own, over DDS."""

import signal

import numpy as np
import pytest
from rcl_interfaces.srv import DescribeParameters
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_testing import INSTRUCTION, LATCHED, Camera, make_header, make_picture, node_process, stamp_of
from sensor_msgs.msg import Image
from std_msgs.msg import String

from framepred_ros.node.parameters import PREDICTOR_PARAMETERS
from framepred_ros.ros.image_messages import image_from_rgb, rgb_from_image

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def node(tester, tiny_checkpoint):
    """A running, active node that a latched publisher waited for, and a camera for it."""
    latched = tester.create_publisher(String, "instruction", LATCHED)
    latched.publish(String(data=INSTRUCTION))
    camera = Camera(tester)
    echoes = tester.record(String, "predictor/instruction", LATCHED)
    with node_process("predictor_node", checkpoint=tiny_checkpoint, device="cpu") as process:
        process.camera, process.echoes = camera, echoes
        camera.wait_for_node()
        tester.wait_until(lambda: echoes, "the latched instruction is accepted")
        tester.destroy_publisher(latched)
        yield process


@pytest.fixture(scope="module")
def predictor(tiny_checkpoint):
    from framepred_ros.prediction.predictor import FramePredictor

    return FramePredictor.from_pretrained(tiny_checkpoint, device="cpu")


def test_predicts_what_the_predictor_predicts_under_the_header_of_the_frame(node, predictor):
    picture = make_picture()
    message = node.camera.predict(picture)
    assert (message.header.frame_id, message.encoding) == ("test_camera", "rgb8")
    expected = predictor.predict(picture, INSTRUCTION, seed=0)
    assert not np.array_equal(expected, picture)
    np.testing.assert_array_equal(rgb_from_image(message), expected)


def test_a_latched_instruction_from_before_the_start_is_in_force_and_echoed(node):
    assert node.echoes[0].data == INSTRUCTION


def test_a_plain_publisher_changes_the_instruction(node, tester, predictor):
    node.camera.wait_for_node()
    publisher = tester.create_publisher(String, "instruction", 1)
    tester.wait_until(lambda: publisher.get_subscription_count(), "the node hears instructions")
    text = "stack the black block on the red block"
    publisher.publish(String(data=text))
    tester.wait_until(lambda: node.echoes[-1].data == text, "the new instruction is echoed")
    picture = make_picture(seed=1)
    np.testing.assert_array_equal(
        rgb_from_image(node.camera.predict(picture)), predictor.predict(picture, text, seed=0)
    )
    publisher.publish(String(data=f"{text} "))  # a repeat
    publisher.publish(String(data=INSTRUCTION))
    tester.wait_until(lambda: node.echoes[-1].data == INSTRUCTION, "the first instruction is back")
    assert [echo.data for echo in node.echoes] == [INSTRUCTION, text, INSTRUCTION]


def test_an_unusable_frame_is_dropped_with_a_warning_and_the_node_lives_on(node, tester):
    for _ in range(3):
        message = image_from_rgb(make_picture(), make_header(0))
        message.step = 5
        node.camera.send(message)
    tester.wait_until(
        lambda: "Frame dropped on topic /image: step is 5" in node.output, "a warning names topic and reason"
    )
    assert node.camera.predict(make_picture()).width == 128
    assert node.output.count("step is 5") == 1, "the warning is throttled"


def test_a_frame_that_the_model_refuses_is_dropped_as_well(node, tester):
    node.camera.send_picture(make_picture(32, 32))
    tester.wait_until(
        lambda: "the model refuses it: image must have shape" in node.output, "a warning gives the reason"
    )
    assert node.camera.predict(make_picture()).width == 128


def test_only_the_newest_frame_is_predicted_from(node, tester):
    before = len(node.camera.predictions)
    assert tester.set_parameter("predictor", "max_rate", 2.0).successful
    stamps = [node.camera.send_picture(make_picture(seed=seed)) for seed in range(20)]
    node.camera.wait_for_prediction(stamps[-1])
    predicted = [stamp_of(message) for message in node.camera.predictions[before:]]
    assert predicted == sorted(predicted) and len(predicted) < 20
    assert tester.set_parameter("predictor", "max_rate", 0.0).successful


def test_a_frame_that_shows_nothing_new_gets_the_last_prediction_under_its_own_stamp(node, tester, predictor):
    first = make_picture(seed=3)
    noisy = first ^ np.random.default_rng(0).integers(0, 2, first.shape, np.uint8)
    assert tester.set_parameter("predictor", "skip_unchanged", 3).successful
    made, again = (node.camera.predict(picture) for picture in (first, noisy))
    assert stamp_of(again) > stamp_of(made) and again.data == made.data
    assert tester.set_parameter("predictor", "skip_unchanged", 0).successful
    anew = rgb_from_image(node.camera.predict(noisy))
    np.testing.assert_array_equal(anew, predictor.predict(noisy, INSTRUCTION, seed=0))
    assert not np.array_equal(anew, rgb_from_image(made))


def test_parameters_change_within_their_range_and_say_why_not(node, tester):
    assert tester.set_parameter("predictor", "steps", 2).successful
    assert not tester.set_parameter("predictor", "steps", -1).successful
    assert tester.set_parameter("predictor", "steps", 0).successful
    refused = tester.set_parameter("predictor", "checkpoint", "elsewhere")
    assert not refused.successful and "checkpoint is read when the node configures" in refused.reason
    assert not tester.set_parameter("predictor", "instruction", "other").successful
    names = [spec.name for spec in PREDICTOR_PARAMETERS]
    request = DescribeParameters.Request(names=names)
    descriptors = tester.call(DescribeParameters, "predictor/describe_parameters", request).descriptors
    assert [descriptor.name for descriptor in descriptors] == names
    assert all(descriptor.description for descriptor in descriptors)


def test_goes_through_its_lifecycle_and_back(node, tester):
    assert tester.change_state("predictor", "deactivate")
    tester.wait_until(lambda: node.camera.publisher.get_subscription_count() == 0, "an inactive node does not listen")
    assert tester.change_state("predictor", "cleanup")
    assert tester.lifecycle_state("predictor") == "unconfigured"
    assert tester.change_state("predictor", "configure")
    assert tester.change_state("predictor", "activate")
    node.camera.wait_for_node()
    assert node.camera.predict(make_picture()).height == 96


def test_a_best_effort_camera_is_heard(node, tester):
    tester.destroy_publisher(node.camera.publisher)
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    node.camera.publisher = tester.create_publisher(Image, "image", qos)
    node.camera.wait_for_node()
    assert node.camera.predict(make_picture()).width == 128
    assert "best effort" in node.output


def test_sigterm_ends_the_active_node_cleanly(node):
    code, seconds = node.end(signal.SIGTERM)
    assert code == 0, node.output
    assert seconds < 5, "ros2 launch sends SIGKILL after that"
    assert "Traceback" not in node.output and "terminate called" not in node.output


def test_a_failed_configure_says_why_and_can_be_repeated(tester, tiny_checkpoint):
    with node_process("predictor_node", checkpoint="no/such folder", autostart="false", instruction="go") as process:
        assert not tester.change_state("predictor", "configure")
        assert tester.lifecycle_state("predictor") == "unconfigured"
        assert "no/such folder" in process.output
        assert "ros2 lifecycle set /predictor configure" in process.output
        assert tester.set_parameter("predictor", "checkpoint", str(tiny_checkpoint)).successful
        assert tester.change_state("predictor", "configure")
        assert tester.change_state("predictor", "inactive_shutdown")
        assert tester.lifecycle_state("predictor") == "finalized"
        code, _ = process.end(signal.SIGINT)
        assert code == 0, process.output


def test_ctrl_c_ends_a_node_that_is_still_loading(tester, tiny_checkpoint):
    # By torch: OpenVINO has a small model loaded before anyone could see it.
    with node_process("predictor_node", checkpoint=tiny_checkpoint, engine="fast", autostart="false") as process:
        tester.wait_for_state("predictor", "unconfigured")
        tester.begin_to_change_state("predictor", "configure")
        tester.wait_for_state("predictor", "configuring")  # answered although the model is loading
        code, seconds = process.end(signal.SIGINT)
        assert code == 0, process.output
        assert seconds < 5 and "Traceback" not in process.output
        assert "cannot be loaded" not in process.output


@pytest.mark.parametrize("name, value", [("steps", -1), ("max_rate", 5), ("device", 3)])
def test_a_bad_start_up_parameter_is_one_line(name, value):
    with node_process("predictor_node", **{name: value}) as process:
        assert process.wait() == 1
        assert name in process.output and len(process.output.splitlines()) == 1
