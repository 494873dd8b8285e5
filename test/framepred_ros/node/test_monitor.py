"""The prediction monitor inside the node: its scores, its alert, and that it needs no subscriber."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from ros_testing import INSTRUCTION, Camera, make_picture, predictor_node_here
from std_msgs.msg import Float64MultiArray, String

from framepred_ros.metrics import ssim
from framepred_ros.monitoring.prediction_monitor import MonitorOptions
from framepred_ros.node.camera_monitor import SCORE_FIELDS
from framepred_ros.node.parameters import PREDICTOR_PARAMETERS

HORIZON = 3  # seconds: 50 steps of 0.06 s, and the test's camera advances a second per frame


@pytest.fixture(scope="module")
def node(tiny_checkpoint):
    from framepred_ros.prediction.predictor import FramePredictor

    # Before the node loads its own: transformers cannot load in two threads at once.
    predictor = FramePredictor.from_pretrained(tiny_checkpoint, device="cpu")
    options = {
        "monitor_window": 1,
        "monitor_learning": 2,
        "monitor_lowest_ssim": 0.9,
        "monitor_highest_surprise": 900.0,
    }
    with predictor_node_here(checkpoint=tiny_checkpoint, monitor=True, instruction=INSTRUCTION, **options) as node:
        node.reference = predictor
        yield node


def read(message):
    assert message.layout.dim[0].label.split(",") == list(SCORE_FIELDS)
    assert message.layout.dim[0].size == len(message.data)
    return dict(zip(SCORE_FIELDS, message.data, strict=True))


@pytest.mark.ros
def test_predictions_are_scored_against_the_frames_that_arrive_and_the_alert_comes_and_goes(node, tester):
    scores = tester.record(Float64MultiArray, "predictor/monitor/scores")
    arrays = tester.record(DiagnosticArray, "/diagnostics")
    tester.wait_until(lambda: tester.count_publishers("predictor/monitor/scores"), "scores are offered")
    camera = Camera(tester)
    camera.wait_for_node()
    picture = make_picture()
    predicted = node.reference.predict(picture, INSTRUCTION)
    expected = ssim(predicted, picture)

    def play(picture, count):
        for _ in range(count):
            camera.predict(picture)

    def alert():
        statuses = [each for array in arrays[-1:] for each in array.status if each.level == DiagnosticStatus.WARN]
        return any("the robot may not be doing what it was told" in each.message for each in statuses)

    play(picture, HORIZON + 1)
    tester.wait_until(lambda: scores, "the first score")
    first = read(scores[0])
    assert first["stamp"] == pytest.approx(1001.000000042)
    assert first["ssim"] == pytest.approx(expected, abs=1e-6) and first["copy_ssim"] == 1.0
    assert expected < 0.9 and first["alert"] == 1.0
    tester.wait_until(alert, "the alert on /diagnostics")
    words = tester.create_publisher(String, "instruction", 1)
    tester.wait_until(lambda: words.get_subscription_count(), "the node hears instructions")
    words.publish(String(data="stack the blocks"))
    channel = node._pipeline.channels[""]
    tester.wait_until(lambda: channel.instruction == "stack the blocks", "the instruction is in force")
    count = len(scores)
    play(picture, HORIZON)
    tester.wait_until(lambda: arrays and not alert(), "a new instruction starts afresh")
    assert len(scores) == count, "predictions for the old instruction are not judged"


@pytest.mark.ros
def test_it_predicts_although_nobody_subscribes(node, tester, monkeypatch):
    scores = tester.record(Float64MultiArray, "predictor/monitor/scores")
    camera = Camera(tester)
    camera.wait_for_node()
    for subscription in list(tester.subscriptions):
        if subscription.topic_name.endswith("predicted_frame"):
            tester.destroy_subscription(subscription)
    tester.wait_until(lambda: not node._pipeline.channels[""].outputs.watched, "nobody looks")
    latencies = []
    monkeypatch.setattr(node._pipeline.channels[""].statistics, "prediction_made", latencies.append)
    camera.index = 1000
    for index in range(HORIZON + 1):
        camera.send_picture(make_picture(seed=index))
        tester.wait_until(lambda count=index: len(latencies) > count, "a prediction")
    tester.wait_until(lambda: scores, "a score")
    assert np.isfinite(scores[-1].data).all()


def test_the_parameters_defaults_are_the_monitors():
    defaults = {spec.name: spec.default for spec in PREDICTOR_PARAMETERS}
    options = MonitorOptions(horizon=3.0)
    for name in ("tolerance", "rate", "window", "learning"):
        assert defaults[f"monitor_{name}"] == getattr(options, name)
    for name in ("lowest_ssim", "highest_surprise"):
        assert getattr(options, name) is None and defaults[f"monitor_{name}"] == 0.0, "0.0 means learned"
