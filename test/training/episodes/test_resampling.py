"""Regular steps from irregular stamps, against a plain search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.episodes.resampling import ascending_runs, nearest_frames, nominal_step, split_at_gaps

STAMPS = st.lists(st.integers(1, 300), min_size=1, max_size=30).map(lambda gaps: np.cumsum(gaps) * 10**6)


@settings(max_examples=200, deadline=None)
@given(STAMPS, st.integers(1, 500))
def test_each_step_takes_the_nearest_frame(stamps, step_ms):
    found = nearest_frames(stamps, step_ms / 1000)
    grid = [int(stamps[0]) + k * step_ms * 10**6 for k in range(len(found))]
    assert found.tolist() == [min(range(len(stamps)), key=lambda i: abs(int(stamps[i]) - point)) for point in grid]
    assert abs(grid[-1] - int(stamps[-1])) <= step_ms * 10**6 / 2
    assert (np.diff(found) >= 0).all()


@settings(max_examples=100, deadline=None)
@given(STAMPS, st.floats(0.001, 1))
def test_pieces_have_no_gaps_and_lose_nothing(stamps, max_gap):
    pieces = split_at_gaps(stamps, max_gap)
    assert np.concatenate(pieces).tolist() == list(range(len(stamps)))
    for piece in pieces:
        assert (np.diff(stamps[piece]) <= max_gap * 1e9).all()
    for one, other in zip(pieces, pieces[1:], strict=False):
        assert stamps[other[0]] - stamps[one[-1]] > max_gap * 1e9


@pytest.mark.parametrize(
    ("milliseconds", "step"),
    [(33.333, 1 / 30), (33.367, 1 / 30), (33.2, 1 / 30), (66.7, 1 / 15), (60.1, 0.06), (100.3, 0.1), (1500, 1.5)],
)
def test_steps_are_rounded_to_what_was_meant(milliseconds, step):
    intervals = np.full(9, round(milliseconds * 1e6))
    intervals[0] *= 5
    assert nominal_step(intervals) == pytest.approx(step, rel=1e-12)


@pytest.mark.parametrize(("intervals", "reason"), [([], "single frame"), ([999], "microseconds")])
def test_rates_that_are_none(intervals, reason):
    with pytest.raises(ValueError, match=reason):
        nominal_step(np.array(intervals, np.int64))


@given(st.lists(st.integers(0, 9)))
def test_runs_ascend_and_keep_the_order(indices):
    runs = ascending_runs(indices)
    assert [index for run in runs for index in run] == indices
    assert all(run == sorted(run) for run in runs)
    assert all(one[-1] > other[0] for one, other in zip(runs, runs[1:], strict=False))
