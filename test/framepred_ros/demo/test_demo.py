"""The demo: a whole run with a tiny checkpoint over DDS, and its scoring on recordings worked out by hand."""

import json
import signal
import sys

import numpy as np
import pytest
from PIL import Image
from ros_testing import Process, make_picture, write_bag

from framepred_ros.demo.monitor_run import Watched
from framepred_ros.demo.recorder import RecordedImage, Recording
from framepred_ros.demo.scores import Horizon, outcomes, score_recording
from framepred_ros.demo.strip import match_strip, strip_horizons
from framepred_ros.metrics import psnr, ssim
from framepred_ros.prediction.checkpoint import CheckpointInfo

HORIZON = 4
FRAMES = 12


CONDITIONS = {"horizons": (1, 8), "history": (2, 4), "history_channels": 4}


def run_demo(*options):
    return Process(sys.executable, "-m", "framepred_ros.demo", *map(str, options))


def moving_pictures(seed):
    return [np.roll(make_picture(seed=seed), 5 * index, axis=1) for index in range(FRAMES)]


@pytest.fixture(scope="module")
def episodes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("episodes")
    for seed, task in enumerate(("beat", "stack")):
        write_bag(folder / task, moving_pictures(seed), instruction=f"{task} it")
    return folder


@pytest.fixture(scope="module")
def short_checkpoint(tmp_path_factory):
    from tiny_checkpoint import make_tiny_checkpoint

    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "short", horizon=HORIZON)


@pytest.mark.ros
@pytest.mark.slow
def test_plays_scores_and_pictures_every_task(episodes, short_checkpoint, tmp_path):
    output = tmp_path / "out"
    with run_demo("--episodes", episodes, "--checkpoint", short_checkpoint, "--output", output) as demo:
        assert demo.wait() == 0, demo.output
        assert "beat" in demo.output and "stack" in demo.output and "PSNR" in demo.output
    summary = json.loads((output / "summary.json").read_text())
    assert list(summary["tasks"]) == ["beat", "stack"]
    for task, scores in summary["tasks"].items():
        assert (scores["frames_sent"], scores["frames_received"], scores["horizon_steps"]) == (FRAMES, FRAMES, HORIZON)
        assert 1 <= scores["predictions_published"] <= FRAMES
        assert 0 < scores["latency"]["median"] <= scores["latency"]["p95"]
        pictures = sorted(path.name for path in (output / "predicted_frames" / task).iterdir())
        assert len(pictures) == scores["predictions_published"]
        assert pictures[-1] == f"{task}_frame{FRAMES - 1:04d}.jpg"
        assert 1 <= scores["predictions_scored"] <= FRAMES - HORIZON
        assert scores["prediction"].keys() == scores["copying_the_current_frame"].keys() == {"ssim", "psnr"}
        assert Image.open(output / f"{task}.gif").width > 3 * 128
    assert Image.open(output / "comparison.png").width > 3 * 128
    assert not (output / "strip.png").exists(), "of a checkpoint that knows one horizon"
    assert not list(output.glob(".*")), "no temporary files stay behind"


@pytest.mark.ros
@pytest.mark.slow
def test_a_checkpoint_of_several_horizons_also_gives_a_strip(episodes, tmp_path):
    from tiny_checkpoint import make_tiny_checkpoint

    checkpoint = make_tiny_checkpoint(tmp_path / "conditioned", horizon=HORIZON, **CONDITIONS)
    output = tmp_path / "out"
    with run_demo("--episodes", episodes, "--tasks", "beat", "--checkpoint", checkpoint, "--output", output) as demo:
        assert demo.wait() == 0, demo.output
        assert "strip.png" in demo.output
    with Image.open(output / "strip.png") as strip:
        assert strip.width > 5 * 128 and strip.height > 2 * 96


def test_a_strip_has_four_moments_up_to_the_longest_horizon():
    assert strip_horizons(CheckpointInfo((64, 64), horizons=(1, 100))) == [10, 25, 50, 100]
    assert strip_horizons(CheckpointInfo((64, 64), horizon=30, horizons=(20, 40))) == [20, 40]
    assert strip_horizons(CheckpointInfo((64, 64))) == []


def test_a_strip_is_matched_with_its_frame_and_what_came():
    pictures = moving_pictures(0)
    frames = [recorded(index + 1, picture) for index, picture in enumerate(pictures)]
    strip = recorded(1, np.hstack([pictures[8], pictures[1]]), frames[6].stamp, 0.03)
    matched = match_strip(Recording(frames, strip=strip), [2, 10])
    for found, expected in (
        (matched.current, pictures[6]),
        *zip(matched.predicted, (pictures[8], pictures[1]), strict=True),
    ):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(matched.actual[0], pictures[8])
    assert matched.actual[1] is None, "the episode had ended"
    assert match_strip(Recording(frames), [2, 10]) is None
    assert match_strip(Recording(frames[:3], strip=strip), [2, 10]) is None, "its frame was lost"


@pytest.mark.ros
def test_a_predictor_that_cannot_start_is_reported_with_its_reason(episodes, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model_index.json").write_text("{}")
    with run_demo("--episodes", episodes, "--checkpoint", broken, "--output", tmp_path / "out") as demo:
        assert demo.wait() == 1
        assert "the predictor node did not start" in demo.output and "cannot be loaded" in demo.output


@pytest.mark.ros
def test_ctrl_c_ends_the_demo_and_its_nodes(episodes, short_checkpoint, tmp_path, tester):
    with run_demo("--episodes", episodes, "--checkpoint", short_checkpoint, "--output", tmp_path / "out") as demo:
        tester.wait_until(lambda: "predictor" in tester.get_node_names(), "the predictor node runs")
        code, _ = demo.end(signal.SIGINT)
        assert code == 130, demo.output
        tester.wait_until(lambda: "predictor" not in tester.get_node_names(), "the predictor node is gone")


@pytest.mark.parametrize(
    "options, reason",
    [
        (["--tasks", "juggle"], "no episode of task juggle; there are: beat, stack"),
        (["--seed", "1"], "--seed needs --live"),
    ],
)
def test_wrong_options_are_refused_with_what_would_be_right(options, reason, episodes):
    with run_demo("--episodes", episodes, *options) as demo:
        assert demo.wait() == 2
        assert reason in demo.output


@pytest.mark.ros
@pytest.mark.slow
def test_the_monitor_demo_reports_what_the_monitor_said_of_each_episode(episodes, short_checkpoint, tmp_path):
    command = ["-m", "framepred_ros.demo.monitor", episodes / "beat", "--disturbed", episodes / "stack"]
    options = ["--checkpoint", short_checkpoint, "--learning", 20, "--output", tmp_path / "out"]
    with Process(sys.executable, *map(str, command + options)) as demo:
        assert demo.wait() == 0, demo.output
        assert "normal_1" in demo.output and "disturbed" in demo.output
    normal, disturbed = json.loads((tmp_path / "out" / "monitor.json").read_text())
    assert normal["wrong_at"] is None and disturbed["wrong_at"] == pytest.approx(0.5 * 0.06 * (FRAMES - 1), abs=0.2)
    for episode in (normal, disturbed):
        assert len(episode["seconds"]) == len(episode["scores"]) >= 1
        assert {"ssim", "running_ssim", "surprise", "alert"} <= episode["scores"][0].keys()
    assert Image.open(tmp_path / "out" / "monitor.png").width > 500


def test_the_first_alert_is_found():
    scores = [{"alert": 0.0}, {"alert": 1.0}, {"alert": 1.0}]
    assert Watched("disturbed", 1.0, [1.0, 2.5, 3.0], scores).first_alert == 2.5
    assert Watched("normal", None, [1.0], scores[:1]).first_alert is None


def recorded(number, rgb, stamp=None, delay=0.0):
    stamp = round(1e9 + number * 0.06e9) if stamp is None else stamp
    return RecordedImage(number, stamp, stamp + round(delay * 1e9), rgb)


def test_predictions_are_scored_against_the_frame_that_came_a_horizon_later():
    pictures = moving_pictures(0)
    frames = [recorded(index + 1, picture) for index, picture in enumerate(pictures)]
    perfect = [
        recorded(n, pictures[(index + 2) % FRAMES], frames[index].stamp, 0.03) for n, index in ((7, 0), (8, 3), (9, 11))
    ]
    recording = Recording(frames, perfect)
    matched = outcomes(recording, 2)
    assert [each.index for each in matched] == [0, 3], "frame 11 has no frame 13 to compare with"
    scores = score_recording(recording, matched, Horizon(2, 0.06))
    assert scores["prediction"] == {"ssim": pytest.approx(1.0), "psnr": 100.0}
    copied = [(pictures[index], pictures[index + 2]) for index in (0, 3)]
    assert scores["copying_the_current_frame"]["ssim"] == pytest.approx(np.mean([ssim(*pair) for pair in copied]))
    assert scores["copying_the_current_frame"]["psnr"] == pytest.approx(np.mean([psnr(*pair) for pair in copied]))
    assert (scores["frames_sent"], scores["predictions_published"], scores["predictions_scored"]) == (12, 3, 2)
    assert scores["latency"]["median"] == pytest.approx(0.03)
    assert scores["camera_rate"] == pytest.approx(1 / 0.06)
    assert scores["horizon_seconds"] == pytest.approx(0.12)


def test_a_lost_frame_shifts_nothing():
    pictures = moving_pictures(0)
    frames = [recorded(index + 1, picture) for index, picture in enumerate(pictures) if index != 5]
    prediction = recorded(1, pictures[6], frames[3].stamp, 0.03)
    recording = Recording(frames, [prediction])
    assert [each.actual.number for each in outcomes(recording, 3)] == [7]
    assert outcomes(recording, 2) == [], "the frame to compare with was lost"
    scores = score_recording(recording, [], Horizon(2, None))
    assert (scores["frames_sent"], scores["frames_received"], scores["predictions_scored"]) == (12, 11, 0)
    assert scores["prediction"] == {"ssim": None, "psnr": None} and scores["prediction_rate"] is None
