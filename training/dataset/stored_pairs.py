"""Pairs of a dataset as they lie in its files: evenly drawn ones, those of other horizons, and their frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from framepred_ros.encoded_pictures import PictureError, read_picture
from training.dataset.index import DatasetError, DatasetManifest, Row
from training.dataset.pairs import future_frame
from training.dataset.stored_frames import frame_name


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


def stored_frame(row: Row, frame: int) -> Path | None:
    """The file of another frame of a row's episode; None where the dataset has none."""
    path = row.input_image.with_name(frame_name(row.episode, frame))
    return path if frame >= 0 and path.is_file() else None


def read_past(row: Row, history: Iterable[int], size: tuple[int, int] | None) -> dict[int, np.ndarray]:
    """The frames so many steps before a row's current one, by the number of steps; those that are stored."""
    files = {steps: stored_frame(row, row.frame - steps) for steps in history}
    return {steps: read_frame(path, size) for steps, path in files.items() if path}


def at_horizon(rows: Sequence[Row], manifest: DatasetManifest, horizon: int) -> list[Row]:
    """The same current frames with their futures `horizon` steps later, as far as the dataset has these frames.

    Every frame is stored once, so that pairs of any horizon are in a dataset that was built for one. As there, what
    follows an episode's end is its last frame if the dataset's tail is "clamp", and nothing otherwise.
    """
    lengths = {(record.task, record.number): record.frames for record in manifest.episodes}
    moved = []
    for row in rows:
        count = lengths.get((row.task, row.episode)) if manifest.tail == "clamp" else None
        frame = row.frame + horizon if count is None else future_frame(row.frame, horizon, count)
        path = stored_frame(row, frame)
        if path:
            moved.append(replace(row, edited_image=path, horizon=horizon))
    return moved


def read_frame(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """A stored frame as RGB uint8 (H, W, 3), resized to `size` (width, height) unless None.

    Raises DatasetError if the file is missing or no picture.
    """
    try:
        image = cv2.cvtColor(read_picture(path), cv2.COLOR_BGR2RGB)
    except (PictureError, OSError) as error:
        raise DatasetError(f"{path}: missing, or not a readable picture: {error}") from error
    if size is not None and size != (image.shape[1], image.shape[0]):
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return image
