"""Several moments of one future, as the node predicts them together, above what the camera then showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from framepred_ros.demo.recorder import RecordedImage, Recording
from framepred_ros.files import replacing
from framepred_ros.pictures import compose_row, span_text, stack_rows
from framepred_ros.prediction.checkpoint import CheckpointInfo

SHARES = (0.1, 0.25, 0.5, 1.0)  # of the longest horizon
STRIP_FRAME = 30  # of each episode; fixed, so that nobody picks the best
SHORT_EPISODE = 4  # in a shorter episode than `STRIP_FRAME` times this, that part of it


@dataclass(frozen=True)
class Strip:
    """A frame, what was predicted from it and what came; RGB uint8, None where the episode had ended."""

    current: np.ndarray
    predicted: list[np.ndarray]
    actual: list[np.ndarray | None]


def strip_horizons(info: CheckpointInfo) -> list[int]:
    """Return the moments of a checkpoint's strip in steps; none if it knows one horizon only."""
    if info.horizons is None:
        return []
    shortest, longest = info.horizons
    return sorted({max(shortest, round(share * longest)) for share in SHARES})


def strip_start(frame_count: int | None) -> int:
    """Return after how many frames of an episode a strip is asked for; its length may be unknown."""
    return STRIP_FRAME if frame_count is None else min(STRIP_FRAME, frame_count // SHORT_EPISODE)


def match_strip(recording: Recording, horizons: Sequence[int]) -> Strip | None:
    """Match a recorded strip by its stamp with its frame and with what came; None if there is no such frame."""
    strip = recording.strip
    current = strip and next((frame for frame in recording.frames if frame.stamp == strip.stamp), None)
    if not current:
        return None
    by_number: dict[int, RecordedImage] = {frame.number: frame for frame in recording.frames}
    later = [by_number.get(current.number + steps) for steps in horizons]
    actual = [frame.rgb if frame else None for frame in later]
    return Strip(current.rgb, np.hsplit(strip.rgb, len(horizons)), actual)


def save_strips(path: Path, strips: dict[str, Strip], horizons: Sequence[int], step_duration: float | None) -> None:
    """Write one PNG with two rows per task: what was predicted, and below it what came."""
    ahead = [span_text(steps, step_duration and steps * step_duration) for steps in horizons]
    rows: list[Image.Image] = []
    for task, strip in strips.items():
        blank = np.full_like(strip.current, 255)
        labels = [f"{task}: camera now", *(f"predicted {each} ahead" for each in ahead)]
        rows.append(compose_row([strip.current, *strip.predicted], labels))
        came = [
            ("the episode had ended", blank) if picture is None else (f"camera {each} later", picture)
            for each, picture in zip(ahead, strip.actual, strict=True)
        ]
        rows.append(compose_row([blank, *(picture for _, picture in came)], ["", *(label for label, _ in came)]))
    with replacing(path) as temporary:
        stack_rows(rows).save(temporary, format="PNG")
