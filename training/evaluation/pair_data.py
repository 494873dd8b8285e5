"""The pairs that an evaluation runs on: which ones, and their frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from training.dataset.index import DatasetError, Row


def draw_evenly(rows: Sequence[Row], count: int | None) -> list[Row]:
    """At most `count` rows per task (all of them if None), evenly spaced over the task's rows, first and last included.

    Raises ValueError for a count below 1.
    """
    if count is not None and count < 1:
        raise ValueError("at least one pair per task is needed")
    by_task: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_task[row.task].append(row)
    chosen = []
    for task in sorted(by_task):
        of_task = by_task[task]
        if count is None or len(of_task) <= count:
            chosen.extend(of_task)
        else:
            positions = np.linspace(0, len(of_task) - 1, count).round().astype(int)
            chosen.extend(of_task[position] for position in positions)
    return chosen


def read_frame(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """A stored frame as RGB uint8 (H, W, 3), resized to `size` (width, height) unless None.

    Raises DatasetError if the file is missing or no picture.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DatasetError(f"{path}: missing, or not a readable picture")
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    if size is not None and size != (image.shape[1], image.shape[0]):
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return image
