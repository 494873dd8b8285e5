"""The prediction monitor on scenes whose future is known: a square that slides, and things that happen to it."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ros_testing import make_picture

from framepred_ros.metrics import psnr, ssim
from framepred_ros.monitoring.prediction_monitor import MonitorOptions, PredictionMonitor

PERIOD = 100_000_000  # nanoseconds between frames
HORIZON = 10  # frames
OPTIONS = {"horizon": HORIZON * PERIOD / 1e9, "rate": 10.0, "window": 5, "learning": 30}
TABLE = make_picture(96, 128)


def scene(index, block=True, arm=True):
    """A frame: a block that lies still and an arm that swings to and fro."""
    picture = TABLE.copy()
    if block:
        cv2.rectangle(picture, (90, 20), (110, 40), (230, 10, 10), -1)
    if arm:
        left = round(20 + 20 * np.sin(index / 5))
        cv2.rectangle(picture, (left, 50), (left + 30, 90), (30, 30, 40), -1)
    return picture


def play(monitor, frames, predict, start=0):
    """Show frames and predict from each; returns the states after each score."""
    states = []
    for index, frame in enumerate(frames, start):
        stamp = index * PERIOD
        if monitor.add_frame(stamp, frame) is not None:
            states.append(monitor.state)
        monitor.add_prediction(stamp, frame, predict(index))
    return states


def oracle(index):
    return scene(index + HORIZON)


def learned(predict=oracle, **options):
    """A monitor that has learned from normal operation, and how many frames it saw."""
    monitor = PredictionMonitor(MonitorOptions(**(OPTIONS | options)))
    play(monitor, map(scene, range(60)), predict)
    assert monitor.state == "ok" and monitor.limits.complete
    return monitor, 60


def test_a_prediction_is_scored_against_the_frame_one_horizon_later():
    monitor = PredictionMonitor(MonitorOptions(**OPTIONS))
    predicted = make_picture(96, 128, seed=1)
    monitor.add_frame(7, scene(0))
    monitor.add_prediction(7, scene(0), predicted)
    scores = [monitor.add_frame(7 + index * PERIOD, scene(index)) for index in range(1, HORIZON + 5)]
    assert [index for index, score in enumerate(scores, 1) if score] == [HORIZON]
    score, actual = scores[HORIZON - 1], scene(HORIZON)
    assert score.stamp_ns == 7
    assert (score.ssim, score.psnr) == (ssim(predicted, actual), psnr(predicted, actual))
    assert (score.copy_ssim, score.copy_psnr) == (ssim(scene(0), actual), psnr(scene(0), actual))
    assert score.ssim_gain == score.ssim - score.copy_ssim and score.psnr_gain == score.psnr - score.copy_psnr
    assert monitor.state == "learning" and monitor.limits is None


@pytest.mark.parametrize("before, after, nearer", [(0.03, 0.04, "before"), (0.04, 0.03, "after")])
def test_the_nearer_of_two_frames_counts(before, after, nearer):
    monitor = PredictionMonitor(MonitorOptions(**OPTIONS))
    frames = {"before": make_picture(96, 128, 1), "after": make_picture(96, 128, 2)}
    monitor.add_frame(0, TABLE)
    monitor.add_prediction(0, TABLE, TABLE)
    assert monitor.add_frame(round((1 - before) * 1e9), frames["before"]) is None
    assert monitor.add_frame(round((1 + after) * 1e9), frames["after"]).ssim == ssim(TABLE, frames[nearer])


def test_a_prediction_without_a_frame_near_its_moment_is_missed():
    monitor = PredictionMonitor(MonitorOptions(**OPTIONS))
    monitor.add_frame(0, TABLE)
    monitor.add_prediction(0, TABLE, TABLE)
    assert monitor.add_frame(round(1.051e9), TABLE) is None
    assert monitor.missed == 1


def test_predictions_of_another_horizon_keep_their_own_moment_and_are_judged_among_themselves():
    monitor, start = learned()
    long, short = HORIZON * PERIOD / 1e9, 4 * PERIOD / 1e9
    scored = []
    for index in range(start, start + 30):
        score = monitor.add_frame(index * PERIOD, scene(index))
        if score is not None:
            scored.append((index, index - score.stamp_ns // PERIOD, monitor.latest.state))
        ahead = 4 if index >= start + 10 else HORIZON
        predicted = scene(index + ahead)
        monitor.add_prediction(index * PERIOD, scene(index), predicted, short if ahead == 4 else long)
    waited = {index: steps for index, steps, _ in scored}
    assert waited[start + 12] == HORIZON, "predicted before the change"
    assert set(waited.values()) == {HORIZON, 4} and waited[start + 29] == 4
    assert {state for _, steps, state in scored if steps == HORIZON} == {"ok"}, "its limits are known"
    assert monitor.state == "learning" and {state for _, steps, state in scored if steps == 4} == {"learning"}
    monitor.add_frame((start + 30) * PERIOD, scene(start + 30))
    monitor.add_prediction((start + 30) * PERIOD, scene(start + 30), TABLE, long)
    assert monitor.state == "ok", "what was learned of it is still known"
    assert monitor.capacity == int(long * 10) + 1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(-(10**10), 10**10), max_size=60))
def test_any_stamps_keep_memory_bounded_and_never_score_an_unseen_moment(stamps):
    monitor = PredictionMonitor(MonitorOptions(**(OPTIONS | {"rate": 3.0})))
    tiny = np.zeros((8, 8, 3), np.uint8)
    for stamp in stamps:
        score = monitor.add_frame(stamp, tiny)
        assert score is None or abs(score.stamp_ns + HORIZON * PERIOD - stamp) < 2 * 10**10
        monitor.add_prediction(stamp, tiny, tiny)
        assert len(monitor._pending) <= monitor.capacity == 4


def test_the_rate_bounds_what_is_scored():
    monitor = PredictionMonitor(MonitorOptions(**(OPTIONS | {"rate": 2.5})))
    assert len(play(monitor, map(scene, range(50)), oracle)) == 10


def test_normal_operation_raises_nothing_and_single_bad_predictions_do_not_either():
    monitor, start = learned()
    bad = lambda index: TABLE if index % 4 == 0 else oracle(index)  # noqa: E731
    assert set(play(monitor, map(scene, range(start, start + 80)), bad, start)) == {"ok"}
    assert monitor.reason == ""


def test_a_still_scene_is_no_failure_although_copying_is_as_good():
    monitor, start = learned()
    still = [scene(start - 1)] * 60
    states = play(monitor, still, lambda index: scene(start - 1), start)
    assert monitor.running["ssim_gain"] == 0 and set(states[2 * HORIZON :]) == {"ok"}


def test_a_block_that_is_taken_away_raises_the_alert_within_one_horizon_and_it_ends_with_the_surprise():
    monitor, start = learned()
    play(monitor, map(scene, range(start, start + 20)), oracle, start)
    taken = start + 20
    frames = [scene(index, block=False) for index in range(taken, taken + 60)]
    # The model sees that the block is gone from the frame on in which it is.
    see = lambda index: scene(index + HORIZON, block=False)  # noqa: E731
    states = play(monitor, frames, see, taken)
    assert "alert" in states[:HORIZON]
    assert states[-1] == "ok"


def test_a_still_scene_teaches_nothing():
    monitor = PredictionMonitor(MonitorOptions(**OPTIONS))
    assert set(play(monitor, [TABLE] * 100, lambda index: TABLE)) == {"learning"}
    assert "ok" in play(monitor, map(scene, range(100, 180)), oracle, 100)


def test_the_reason_names_figure_and_limit():
    monitor, start = learned()
    play(monitor, map(scene, range(start, start + 20)), oracle, start)
    play(monitor, [scene(index, block=False) for index in range(80, 88)], oracle, 80)
    assert monitor.state == "alert" and "neither as predicted nor as before: " in monitor.reason
    assert f"above {monitor.limits.highest_surprise:.1f}" in monitor.reason
    monitor.reset()
    assert (monitor.state, monitor.reason, monitor.running) == ("ok", "", {})


def test_a_robot_that_does_something_else_raises_the_alert():
    monitor, start = learned()
    frames = [cv2.GaussianBlur(make_picture(96, 128, seed), (0, 0), 2) for seed in range(start, start + 30)]
    states = play(monitor, frames, oracle, start)
    assert states[-1] == "alert" and monitor.reason.startswith("the picture is not as predicted: SSIM")


def test_a_motion_that_comes_late_is_no_surprise():
    late = lambda index: scene(index + HORIZON + 2)  # noqa: E731
    monitor, start = learned(late)
    assert set(play(monitor, map(scene, range(start, start + 80)), late, start)) == {"ok"}


def test_limits_can_be_given_and_carried_over():
    monitor, _ = learned(lowest_ssim=0.25)
    assert monitor.limits.lowest_ssim == 0.25
    limits = vars(monitor.limits)
    again = PredictionMonitor(MonitorOptions(**OPTIONS, **limits))
    assert again.state == "ok" and vars(again.limits) == limits


def test_a_clock_that_jumps_back_starts_anew_and_keeps_what_was_learned():
    monitor, _ = learned()
    play(monitor, map(scene, range(20)), oracle)
    assert monitor.state == "ok" and len(monitor._pending) <= monitor.capacity
    assert monitor.add_frame(20 * PERIOD, scene(20)).stamp_ns == HORIZON * PERIOD


def test_predictions_of_frames_from_before_a_reset_are_ignored():
    monitor, start = learned()
    monitor.reset()
    monitor.add_prediction((start - 1) * PERIOD, scene(0), scene(0))
    monitor.add_frame(0, scene(0))
    monitor.add_prediction((start - 1) * PERIOD, scene(0), scene(0))
    monitor.add_prediction(-PERIOD, scene(0), scene(0))
    assert not monitor._pending
    monitor.add_prediction(0, scene(0), scene(0))
    assert len(monitor._pending) == 1


def test_a_camera_of_another_size_is_learned_anew_and_large_pictures_are_kept_small():
    monitor, start = learned()
    large = cv2.resize(scene(0), (1280, 960))
    assert monitor.add_frame(start * PERIOD, large) is None
    assert monitor.state == "learning"
    monitor.add_prediction(start * PERIOD, large, large)
    assert monitor._pending[-1].current.shape == monitor._pending[-1].predicted.shape == (240, 320, 3)


@pytest.mark.parametrize(
    "change", [{"horizon": 0}, {"rate": 0}, {"tolerance": 1.0}, {"window": 0}, {"learning": 4}, {"largest_side": 1}]
)
def test_options_out_of_range_are_named(change):
    MonitorOptions(**OPTIONS)
    with pytest.raises(ValueError, match=next(iter(change))):
        MonitorOptions(**(OPTIONS | change))
