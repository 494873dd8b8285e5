"""What the node publishes, when, and under which stamp."""

import numpy as np
import pytest
from ros_testing import INSTRUCTION, Camera, make_picture, predictor_node_here, stamp_of
from sensor_msgs.msg import CompressedImage, Image

from framepred_ros.node.statistics import Drop
from framepred_ros.ros.image_messages import rgb_from_compressed_image, rgb_from_image

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def node(tiny_checkpoint):
    with predictor_node_here(checkpoint=tiny_checkpoint, instruction=INSTRUCTION) as node:
        yield node


@pytest.fixture
def camera(node, tester):
    camera = Camera(tester)
    camera.wait_for_node()
    yield camera
    tester.destroy_publisher(camera.publisher)
    for subscription in list(tester.subscriptions):
        tester.destroy_subscription(subscription)
    tester.wait_until(lambda: not node._pipeline.channels[""].outputs.watched, "the node sees that nobody listens")


def test_all_outputs_show_the_same_prediction_under_the_cameras_header(camera, tester):
    compressed = tester.record(CompressedImage, "predicted_frame/compressed")
    comparisons = tester.record(Image, "comparison")
    for topic in ("predicted_frame/compressed", "comparison"):
        tester.wait_until(lambda topic=topic: tester.count_publishers(topic) == 1, f"{topic} is offered")
    picture = make_picture()
    tester.wait_until(lambda: camera.predict(picture) and compressed and comparisons, "all three outputs")
    predicted = rgb_from_image(camera.predictions[-1])
    assert compressed[-1].format == "rgb8; jpeg compressed bgr8"
    assert np.abs(rgb_from_compressed_image(compressed[-1]).astype(int) - predicted).mean() < 10
    np.testing.assert_array_equal(rgb_from_image(comparisons[-1]), np.hstack([picture, predicted]))
    for message in (compressed[-1], comparisons[-1]):
        assert message.header.frame_id == "test_camera" and stamp_of(message) in map(stamp_of, camera.predictions)


def test_jpeg_quality_can_be_changed_while_running(camera, tester):
    compressed = tester.record(CompressedImage, "predicted_frame/compressed")

    def predicted_at(quality, is_right=bool):
        assert tester.set_parameter("predictor", "jpeg_quality", quality).successful

        first = camera.send_picture(make_picture())  # one on its way may still have the former quality

        def sizes():
            return [len(message.data) for message in compressed if stamp_of(message) >= first]

        def came():
            return camera.predict(make_picture()) and sizes() and is_right(sizes()[-1])

        tester.wait_until(came, f"a compressed prediction of quality {quality}")
        return sizes()[-1]

    large = predicted_at(95)
    small = predicted_at(5, lambda size: size < 0.9 * large)  # of noise, which a model with random weights predicts
    assert predicted_at(95, lambda size: size > small) == large


def test_a_prediction_can_be_stamped_with_the_time_that_it_shows(camera, tester):
    assert tester.set_parameter("predictor", "stamp", "predicted").successful
    source = camera.send_picture(make_picture())
    camera.wait_for_prediction((source[0] + 3, source[1]))  # 50 steps of 0.06 s
    refused = tester.set_parameter("predictor", "stamp", "tomorrow")
    assert not refused.successful and "one of source, predicted" in refused.reason
    assert tester.set_parameter("predictor", "stamp", "source").successful


def test_nothing_is_predicted_while_nobody_looks_and_the_next_frame_once_somebody_does(node, tester, camera):
    (subscription,) = tester.subscriptions
    tester.destroy_subscription(subscription)
    statistics, outputs = node._pipeline.channels[""].statistics, node._pipeline.channels[""].outputs
    tester.wait_until(lambda: not outputs.watched, "nobody subscribes")
    before = statistics.summary().dropped.get(Drop.NOT_WATCHED, 0)
    for seed in range(5):
        camera.send_picture(make_picture(seed=seed))
        count = before + seed + 1
        tester.wait_until(lambda n=count: statistics.summary().dropped.get(Drop.NOT_WATCHED, 0) == n, "the frame came")
    comparisons = tester.record(Image, "comparison")
    tester.wait_until(lambda: outputs.watched, "somebody subscribes")
    stamp = camera.send_picture(make_picture())
    tester.wait_until(lambda: comparisons, "a prediction")
    assert [stamp_of(message) for message in comparisons] == [stamp]


def test_a_node_that_is_not_lazy_predicts_for_nobody(node, tester, camera):
    assert tester.set_parameter("predictor", "lazy", False).successful
    (subscription,) = tester.subscriptions
    tester.destroy_subscription(subscription)
    summary = node._pipeline.channels[""].statistics.summary
    tester.wait_until(lambda: not node._pipeline.channels[""].outputs.watched, "nobody subscribes")
    camera.send_picture(make_picture())
    tester.wait_until(lambda: summary().output_rate > 0, "a prediction")
    assert tester.set_parameter("predictor", "lazy", True).successful
