"""Regular steps from the irregular stamps of a real camera."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

NANOSECONDS = 10**9


def nominal_step(intervals: np.ndarray) -> float:
    """The step in seconds that a camera was meant to have, from the intervals between its frames in nanoseconds.

    It is the median interval, rounded: to a whole number of hertz if that is within 1 % (29.97 Hz is 30 Hz), else to a
    millisecond (16.64 Hz is 60 ms).

    Raises:
        ValueError: there are no intervals, or they are below a millisecond.
    """
    if intervals.size == 0:
        raise ValueError("a single frame has no rate; give one with --fps")
    seconds = float(np.median(intervals)) / NANOSECONDS
    if seconds < 1e-3:
        raise ValueError(f"frames {seconds * 1e6:.3g} microseconds apart are not a camera's; give the rate with --fps")
    rate = round(1 / seconds)
    return 1 / rate if rate and abs(rate * seconds - 1) <= 0.01 else round(seconds, 3)


def split_at_gaps(stamps: np.ndarray, max_gap: float) -> list[np.ndarray]:
    """Positions of ascending stamps (nanoseconds), cut where two are more than `max_gap` seconds apart."""
    cuts = np.flatnonzero(np.diff(stamps) > max_gap * NANOSECONDS) + 1
    return np.split(np.arange(len(stamps)), cuts)


def nearest_frames(stamps: np.ndarray, step: float) -> np.ndarray:
    """For each point of a regular grid, the position of the nearest stamp; the earlier one wins a tie.

    Args:
        stamps: ascending, in nanoseconds, int64 (N,) with N > 0.
        step: of the grid, in seconds. It starts at the first stamp and ends within half a step of the last.

    Returns:
        Ascending positions, int64 (M,); a frame occurs twice where another is missing.
    """
    span = int(stamps[-1] - stamps[0])
    points = np.arange(round(span / (step * NANOSECONDS)) + 1)
    grid = stamps[0] + np.rint(points * (step * NANOSECONDS)).astype(np.int64)
    after = np.clip(np.searchsorted(stamps, grid), 0, len(stamps) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(grid - stamps[before] <= np.abs(stamps[after] - grid), before, after)


def ascending_runs(indices: Iterable[int]) -> list[list[int]]:
    """The indices, in their order, cut wherever they go back."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index >= runs[-1][-1]:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs
