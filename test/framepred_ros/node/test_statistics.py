"""The camera's figures, over a clock that the test moves."""

import pytest

from framepred_ros.node.statistics import CameraStatistics, Drop


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def statistics(clock):
    return CameraStatistics(window=10.0, clock=clock)


def test_nothing_is_known_at_first(statistics):
    summary = statistics.summary()
    assert (summary.input_rate, summary.output_rate) == (0.0, 0.0)
    assert summary.age is summary.latency_median is summary.latency_p95 is None
    assert summary.dropped == summary.recent == {}


def test_rates_and_latencies_are_those_of_the_window(statistics, clock):
    for index in range(200):  # 20 s at 10 Hz; every second frame is predicted from, ever more slowly
        clock.now += 0.1
        statistics.frame_received()
        if index % 2:
            statistics.prediction_made(latency=index / 1000)
    summary = statistics.summary()
    assert summary.input_rate == pytest.approx(10, abs=0.15)
    assert summary.output_rate == pytest.approx(5, abs=0.15)
    assert summary.latency_median == pytest.approx(0.149, abs=0.002)
    assert summary.latency_p95 == pytest.approx(0.194, abs=0.002)
    clock.now += 11
    summary = statistics.summary()
    assert (summary.input_rate, summary.latency_median) == (0.0, None)
    assert summary.age == pytest.approx(11)


def test_a_young_window_does_not_water_down_the_rate(statistics, clock):
    for _ in range(20):
        clock.now += 0.1
        statistics.frame_received()
    assert statistics.summary().input_rate == pytest.approx(10, abs=0.5)


def test_drops_are_counted_for_good_but_recent_only_within_the_window(statistics, clock):
    statistics.frame_dropped(Drop.UNUSABLE, "step is 5")
    statistics.frame_dropped(Drop.UNUSABLE, "step is 6")
    clock.now += 9
    statistics.frame_dropped(Drop.PAUSED)
    assert statistics.summary().recent == {Drop.UNUSABLE: "step is 6", Drop.PAUSED: ""}
    clock.now += 2
    summary = statistics.summary()
    assert summary.recent == {Drop.PAUSED: ""}
    assert summary.dropped == {Drop.UNUSABLE: 2, Drop.PAUSED: 1}
