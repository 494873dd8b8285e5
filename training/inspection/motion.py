"""How much changes between the two frames of a pair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training.dataset.index import Row
from training.dataset.stored_pairs import draw_evenly, read_frame

STILL = 1.0  # levels of 255; below it, what differs is mostly the noise of the JPEG files


@dataclass(frozen=True)
class Motion:
    """Mean absolute difference between now and later of one task's pairs, in levels of 255; float (P,)."""

    task: str
    differences: np.ndarray

    @property
    def still(self) -> float:
        """The share of pairs in which hardly anything moves."""
        return float((self.differences < STILL).mean())

    def quantiles(self) -> dict[str, float]:
        """The 10th, 50th and 90th percentile."""
        values = np.percentile(self.differences, (10, 50, 90))
        return dict(zip(("p10", "median", "p90"), map(float, values), strict=True))


def difference(row: Row) -> np.ndarray:
    """|later - now|, mean over the channels, in levels of 255; float (H, W). Raises DatasetError for a bad frame."""
    now, later = read_frame(row.input_image), read_frame(row.edited_image)
    return np.abs(later.astype(np.int16) - now).mean(axis=2)


def measure_motion(rows: Sequence[Row], per_task: int, on_pair: Callable[[], object] = lambda: None) -> list[Motion]:
    """The motion of each task, of at most `per_task` pairs evenly drawn from its rows."""
    differences: dict[str, list[float]] = defaultdict(list)
    for row in draw_evenly(rows, per_task):
        differences[row.task].append(float(difference(row).mean()))
        on_pair()
    return [Motion(task, np.array(values)) for task, values in sorted(differences.items())]
