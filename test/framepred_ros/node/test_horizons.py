"""How far ahead the node predicts, changed while it runs, and the strip of several moments."""

import numpy as np
import pytest
from ros_testing import INSTRUCTION, Camera, make_header, make_picture, predictor_node_here, stamp_of
from sensor_msgs.msg import Image
from tiny_checkpoint import make_tiny_checkpoint

from framepred_ros.node.jobs import Job, predict_jobs
from framepred_ros.node.newest_frames import Frame
from framepred_ros.node.settings import PredictionSettings
from framepred_ros.ros.image_messages import image_from_rgb, rgb_from_image

pytestmark = pytest.mark.ros
NANOSECONDS_PER_STEP = 60_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("conditioned"), horizons=(1, 100))


@pytest.fixture(scope="module")
def predictor(folder):
    from framepred_ros.prediction.predictor import FramePredictor

    return FramePredictor.from_pretrained(folder, device="cpu")


@pytest.fixture(scope="module")
def node(folder, predictor):  # the reference first: transformers cannot load in two threads at once
    with predictor_node_here(checkpoint=folder, instruction=INSTRUCTION) as node:
        yield node


@pytest.fixture(scope="module")
def camera(node, tester):
    camera = Camera(tester)
    camera.wait_for_node()
    return camera


@pytest.fixture
def batches(node, monkeypatch):
    """The horizons of every batch that goes through the model."""
    batches, predict_batch = [], node._pipeline.predictor.predict_batch

    def recorded(*arguments, **options):
        batches.append(options["horizons"])
        return predict_batch(*arguments, **options)

    monkeypatch.setattr(node._pipeline.predictor, "predict_batch", recorded)
    return batches


def set_horizons(tester, horizons):
    assert tester.set_parameter("predictor", "horizons", horizons).successful


def test_whoever_waits_for_a_strip_that_is_not_asked_for_reads_why(node, camera, tester, capfd):
    strips, outputs = tester.record(Image, "predicted_strip"), node._pipeline.channels[""].outputs
    tester.wait_until(lambda: outputs.strip_watched, "somebody looks")
    camera.predict(make_picture())
    assert "Nothing comes on predicted_strip while the parameter horizons is empty" in capfd.readouterr().err
    assert not strips
    tester.destroy_subscription(next(each for each in tester.subscriptions if each.topic_name == "/predicted_strip"))
    tester.wait_until(lambda: not outputs.strip_watched, "nobody looks any more")


def test_another_horizon_holds_from_the_next_frame_on(node, camera, tester, predictor):
    picture = make_picture()
    np.testing.assert_array_equal(rgb_from_image(camera.predict(picture)), predictor.predict(picture, INSTRUCTION))
    assert tester.set_parameter("predictor", "horizon", 5).successful
    assert tester.set_parameter("predictor", "stamp", "predicted").successful
    source = camera.send_picture(picture)
    seconds, nanoseconds = divmod(source[0] * 10**9 + source[1] + 5 * NANOSECONDS_PER_STEP, 10**9)
    message = camera.wait_for_prediction((seconds, nanoseconds))
    np.testing.assert_array_equal(rgb_from_image(message), predictor.predict(picture, INSTRUCTION, horizon=5))
    assert node._pipeline.horizon == pytest.approx(0.3)
    for name, value in (("stamp", "source"), ("horizon", 0)):
        assert tester.set_parameter("predictor", name, value).successful


def test_a_strip_comes_with_the_prediction_in_one_batch_while_somebody_looks(node, camera, tester, predictor, batches):
    picture, horizons = make_picture(seed=1), [100, 50, 10]
    set_horizons(tester, horizons)
    camera.predict(picture)
    assert batches == [[50]], "nobody looks at the strip"
    strips = tester.record(Image, "predicted_strip")
    outputs = node._pipeline.channels[""].outputs
    tester.wait_until(lambda: outputs.strip_watched, "the node sees that somebody looks")
    batches.clear()
    prediction = camera.predict(picture)
    tester.wait_until(lambda: strips and stamp_of(strips[-1]) == stamp_of(prediction), "the strip of the frame")
    assert batches == [[50, 100, 10]] and strips[-1].header == prediction.header and strips[-1].encoding == "rgb8"
    expected = np.hstack([predictor.predict(picture, INSTRUCTION, horizon=each) for each in horizons])
    assert np.abs(rgb_from_image(strips[-1]).astype(int) - expected).max() <= 1  # a batch rounds in another order
    shown = np.hsplit(rgb_from_image(strips[-1]), 3)[1]
    np.testing.assert_array_equal(shown, rgb_from_image(prediction))
    set_horizons(tester, [25])
    tester.wait_until(lambda: camera.predict(picture) and strips[-1].width == picture.shape[1], "a strip of one")
    set_horizons(tester, [])
    batches.clear()
    last = stamp_of(camera.predict(picture))
    camera.predict(picture)
    assert batches == [[50], [50]] and last > max(map(stamp_of, strips)), "no strip any more"


def test_an_unchanged_frame_gets_the_last_strip_again(node, camera, tester, batches):
    strips = tester.record(Image, "predicted_strip")
    tester.wait_until(lambda: node._pipeline.channels[""].outputs.strip_watched, "somebody looks")
    set_horizons(tester, [10, 25])
    assert tester.set_parameter("predictor", "skip_unchanged", 3).successful
    pictures = [camera.predict(make_picture(seed=2)) for _ in range(2)]
    tester.wait_until(lambda: strips and stamp_of(strips[-1]) == stamp_of(pictures[-1]), "the second strip")
    assert batches == [[50, 10, 25]] and strips[-1].data == strips[-2].data
    set_horizons(tester, [10])
    camera.predict(make_picture(seed=2))
    assert batches[1:] == [[50, 10]], "another strip is another prediction"
    assert tester.set_parameter("predictor", "skip_unchanged", 0).successful
    set_horizons(tester, [])


def test_an_engine_that_compiles_gets_batches_of_as_many_frames_as_there_are_cameras(predictor, monkeypatch):
    pictures = [make_picture(seed=seed) for seed in range(2)]
    frames = [Frame(None, image_from_rgb(picture, make_header(0)), rgb_from_image) for picture in pictures]
    jobs = [Job(frames[0], INSTRUCTION, 50, (10, 50, 100)), Job(frames[1], INSTRUCTION, 25)]
    expected = predict_jobs(predictor, jobs, PredictionSettings())
    assert [len(each.strip) for each in expected] == [3, 0] and expected[0].strip[1] is expected[0].picture
    sizes, predict_batch = [], predictor.predict_batch

    def recorded(images, *arguments, **options):
        sizes.append(len(images))
        return predict_batch(images, *arguments, **options)

    monkeypatch.setattr(predictor, "predict_batch", recorded)
    monkeypatch.setattr(predictor, "engine", "compile")
    for one, other in zip(predict_jobs(predictor, jobs, PredictionSettings()), expected, strict=True):
        for picture, same in zip((one.picture, *one.strip), (other.picture, *other.strip), strict=True):
            assert np.abs(picture.astype(int) - same).max() <= 1
    assert sizes == [2, 2]


@pytest.mark.parametrize(
    "name, value, reason",
    [
        (
            "horizon",
            101,
            "parameter horizon: horizon must be an integer between 1 and 100 for this checkpoint, not 101",
        ),
        ("horizons", [10, 200], "parameter horizons: horizon must be an integer between 1 and 100"),
        ("horizons", [10, 10], "horizons must be different integers from 1 to 100000, not [10, 10]"),
        ("horizons", [0], "horizons must be different integers"),
        ("horizons", ["ten"], "Wrong parameter type"),
    ],
)
def test_a_horizon_that_the_checkpoint_does_not_know_is_refused_with_the_reason(node, tester, name, value, reason):
    tester.wait_for_state("predictor", "active")
    refused = tester.set_parameter("predictor", name, value)
    assert not refused.successful and reason in refused.reason
    assert not node.get_parameter(name).value


def test_a_checkpoint_of_one_horizon_says_so_when_the_node_configures(tiny_checkpoint, predictor, tester):
    options = {"checkpoint": tiny_checkpoint, "autostart": False}
    with predictor_node_here("-r", "__node:=plain", horizons=[10, 50], **options) as node:
        assert not tester.change_state("plain", "configure")
        assert "horizon must be 50 for this checkpoint, not 10" in node._failure
        assert tester.set_parameter("plain", "horizons", [50]).successful
        assert tester.change_state("plain", "configure")
        assert "must be 50" in tester.set_parameter("plain", "horizon", 25).reason


def test_a_monitored_horizon_is_longer_than_the_tolerance(folder, predictor, tester):
    options = {"checkpoint": folder, "monitor": True, "monitor_tolerance": 0.15}
    with predictor_node_here("-r", "__node:=watched", **options):
        tester.wait_for_state("watched", "active")
        refused = tester.set_parameter("watched", "horizon", 2)
        assert not refused.successful and "2 steps are no longer than monitor_tolerance, 0.15 s" in refused.reason
        assert tester.set_parameter("watched", "horizon", 3).successful
