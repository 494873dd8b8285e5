"""Pictures of what was predicted: every predicted frame, an animation per task, one comparison of all tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from framepred_ros.demo.recorder import Recording
from framepred_ros.demo.scores import Horizon, Outcome

JPEG_QUALITY = 95
LABEL_HEIGHT = 28  # pixels
GAP = 4
INK, PAPER = (30, 30, 30), (255, 255, 255)
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
            path.write_bytes(data.tobytes())


def save_animation(path: Path, matched: list[Outcome], horizon: Horizon) -> None:
    """Write an animated GIF at the episode's speed: camera, prediction, what the camera then showed."""
    chosen = matched[::ANIMATION_STRIDE]
    labels = panel_labels(horizon.steps, horizon.seconds)
    rows = [compose_row(_panels(each), labels) for each in chosen]
    span = (chosen[-1].current.stamp - chosen[0].current.stamp) / 1e9
    save_gif(path, rows, span / max(1, len(chosen) - 1))


def save_gif(path: Path, rows: Sequence[Image.Image], period: float) -> None:
    """Write pictures of one size as an animated GIF, `period` seconds each, at least 20 ms."""
    # One palette for all frames: it does not flicker, and still pixels compress to nothing.
    sample = Image.fromarray(np.concatenate([np.asarray(row) for row in rows[:: max(1, len(rows) // 8)]]))
    palette = sample.quantize(256, method=Image.Quantize.MEDIANCUT)
    indexed = [row.quantize(palette=palette, dither=Image.Dither.NONE) for row in rows]
    temporary = path.with_name(f".{path.name}")
    duration = max(20, round(1000 * period))
    indexed[0].save(temporary, format="GIF", save_all=True, append_images=indexed[1:], duration=duration, loop=0)
    temporary.replace(path)


def save_comparison(path: Path, tasks: dict[str, list[Outcome]], horizon: Horizon) -> None:
    """Write one PNG with a row per task and moment."""
    rows: list[Image.Image] = []
    for task, matched in tasks.items():
        for moment in COMPARISON_MOMENTS:
            outcome = matched[int(moment * (len(matched) - 1))]
            camera, predicted, actual = panel_labels(horizon.steps, horizon.seconds)
            rows.append(compose_row(_panels(outcome), (f"{task}: {camera}", predicted, actual)))
    width = max(row.width for row in rows)
    sheet = Image.new("RGB", (width, sum(row.height + GAP for row in rows) - GAP), PAPER)
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height + GAP
    temporary = path.with_name(f".{path.name}")
    sheet.save(temporary, format="PNG")
    temporary.replace(path)


def panel_labels(steps: int | None, seconds: float | None) -> tuple[str, str, str]:
    """Return the titles of the three panels for a horizon in steps, seconds or both."""
    ahead = f"{steps} steps" if steps else f"{seconds:g} s"
    if steps and seconds:
        ahead += f" ({seconds:.1f} s)"
    return "camera now", f"predicted {ahead} ahead", f"camera {ahead} later"


def compose_row(panels: tuple[np.ndarray, ...], labels: tuple[str, ...]) -> Image.Image:
    """Return RGB uint8 (height, width, 3) panels side by side, each under its label."""
    height, width = panels[0].shape[:2]
    row = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height + LABEL_HEIGHT), PAPER)
    draw = ImageDraw.Draw(row)
    for place, (panel, label) in enumerate(zip(panels, labels, strict=True)):
        left = place * (width + GAP)
        row.paste(Image.fromarray(panel), (left, LABEL_HEIGHT))
        draw.text((left + 4, LABEL_HEIGHT // 2), label, INK, font=_font(label, width - 8), anchor="lm")
    return row


def _font(label: str, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest readable size of Pillow's own font in which the label fits."""
    for size in range(16, 8, -1):
        font = ImageFont.load_default(size)
        if font.getlength(label) <= width:
            break
    return font


def _panels(outcome: Outcome) -> tuple[np.ndarray, ...]:
    return outcome.current.rgb, outcome.predicted.rgb, outcome.actual.rgb
