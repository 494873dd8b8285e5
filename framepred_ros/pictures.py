"""Pictures: resizing, panels under labels, animations and figures, each file whole or absent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from framepred_ros.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABEL_HEIGHT = 28  # pixels
GAP = 4
INK, PAPER = (30, 30, 30), (255, 255, 255)
SHORTEST = 20  # milliseconds per picture of an animation; viewers slow down what is faster


def resize_frame(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes (H, W) or (H, W, 3) to `size` (height, width): by area down, which avoids aliasing, linearly up."""
    if image.shape[:2] == tuple(size):
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def panel_labels(steps: int | None, seconds: float | None) -> tuple[str, str, str]:
    """Returns the titles of the three panels for a horizon in steps, seconds or both."""
    ahead = f"{steps} steps" if steps else f"{seconds:g} s"
    if steps and seconds:
        ahead += f" ({seconds:.1f} s)"
    return "camera now", f"predicted {ahead} ahead", f"camera {ahead} later"


def compose_row(panels: tuple[np.ndarray, ...], labels: tuple[str, ...]) -> Image.Image:
    """Returns RGB uint8 (height, width, 3) panels side by side, each under its label."""
    height, width = panels[0].shape[:2]
    row = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height + LABEL_HEIGHT), PAPER)
    draw = ImageDraw.Draw(row)
    for place, (panel, label) in enumerate(zip(panels, labels, strict=True)):
        left = place * (width + GAP)
        row.paste(Image.fromarray(panel), (left, LABEL_HEIGHT))
        draw.text((left + 4, LABEL_HEIGHT // 2), label, INK, font=_font(label, width - 8), anchor="lm")
    return row


def stack_rows(rows: Sequence[Image.Image]) -> Image.Image:
    """Returns pictures one below the other on one sheet."""
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height + GAP for row in rows) - GAP), PAPER)
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height + GAP
    return sheet


def save_gif(path: Path, pictures: Sequence[Image.Image], period: float, colors: int = 256) -> None:
    """Writes RGB pictures of one size as an animated GIF, `period` seconds each, at least 20 ms."""
    # One palette for all frames: it does not flicker, and still pixels compress to nothing.
    chosen = pictures[:: max(1, len(pictures) // 8)]
    sample = Image.fromarray(np.concatenate([np.asarray(picture) for picture in chosen]))
    palette = sample.quantize(colors, method=Image.Quantize.MEDIANCUT)
    first, *others = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    duration = max(SHORTEST, round(1000 * period))
    with replacing(path) as temporary:
        first.save(temporary, format="GIF", save_all=True, append_images=others, duration=duration, loop=0)


def save_figure(figure: Figure, path: Path, dpi: int = 100) -> None:
    """Writes a matplotlib figure as PNG."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)


def _font(label: str, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest readable size of Pillow's own font in which the label fits."""
    for size in range(16, 8, -1):
        font = ImageFont.load_default(size)
        if font.getlength(label) <= width:
            break
    return font
