"""Pictures of what was predicted: every predicted frame, an animation per task, one comparison of all tasks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from framepred_ros.demo.recorder import Recording
from framepred_ros.demo.scores import Horizon, Outcome
from framepred_ros.files import replacing, write_bytes
from framepred_ros.pictures import compose_row, panel_labels, save_gif, stack_rows

JPEG_QUALITY = 95
ANIMATION_STRIDE = 2  # every second frame: half the size, and still fluid
COMPARISON_MOMENTS = (0.3, 0.7)  # of each task's scored predictions; fixed, so that nobody picks the best


def save_predicted_frames(task: str, recording: Recording, folder: Path) -> None:
    """Write each prediction as `{task}_frame{index of the frame it was made from}.jpg`."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {frame.stamp: frame.number for frame in recording.frames}
    for prediction in recording.predictions:
        if prediction.stamp in numbers:
            path = folder / f"{task}_frame{numbers[prediction.stamp] - 1:04d}.jpg"
            bgr = cv2.cvtColor(prediction.rgb, cv2.COLOR_RGB2BGR)
            data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
            write_bytes(path, data.tobytes())


def save_animation(path: Path, matched: list[Outcome], horizon: Horizon) -> None:
    """Write an animated GIF at the episode's speed: camera, prediction, what the camera then showed."""
    chosen = matched[::ANIMATION_STRIDE]
    labels = panel_labels(horizon.steps, horizon.seconds)
    rows = [compose_row(_panels(each), labels) for each in chosen]
    span = (chosen[-1].current.stamp - chosen[0].current.stamp) / 1e9
    save_gif(path, rows, span / max(1, len(chosen) - 1))


def save_comparison(path: Path, tasks: dict[str, list[Outcome]], horizon: Horizon) -> None:
    """Write one PNG with a row per task and moment."""
    rows: list[Image.Image] = []
    for task, matched in tasks.items():
        for moment in COMPARISON_MOMENTS:
            outcome = matched[int(moment * (len(matched) - 1))]
            camera, predicted, actual = panel_labels(horizon.steps, horizon.seconds)
            rows.append(compose_row(_panels(outcome), (f"{task}: {camera}", predicted, actual)))
    with replacing(path) as temporary:
        stack_rows(rows).save(temporary, format="PNG")


def _panels(outcome: Outcome) -> tuple[np.ndarray, ...]:
    return outcome.current.rgb, outcome.predicted.rgb, outcome.actual.rgb
