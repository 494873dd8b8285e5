"""Pictures: resizing, panels under labels, videos and figures, each file whole or absent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from framepred_ros.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEDIAN_CUT, NO_DITHER = 0, 0  # Pillow's numbers; the names moved between 9.0 (Ubuntu 22.04) and 10
LABEL_HEIGHT = 28  # pixels
GAP = 4
INK, PAPER = (30, 30, 30), (255, 255, 255)
SHORTEST = 20  # milliseconds per picture of an animation; viewers slow down what is faster
VIDEOS = (".gif", ".mp4")


def resize_frame(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes (H, W) or (H, W, 3) to `size` (height, width): by area down, which avoids aliasing, linearly up."""
    if image.shape[:2] == tuple(size):
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def panel_labels(steps: int | None, seconds: float | None) -> tuple[str, str, str]:
    """Returns the titles of the three panels for a horizon in steps, seconds or both."""
    ahead = span_text(steps, seconds)
    return "camera now", f"predicted {ahead} ahead", f"camera {ahead} later"


def span_text(steps: int | None, seconds: float | None) -> str:
    """Returns a span of time as words: in steps, seconds or both."""
    if not steps:
        return f"{seconds:g} s"
    return f"{steps} steps ({seconds:.3g} s)" if seconds else f"{steps} steps"


def compose_row(panels: Sequence[np.ndarray], labels: Sequence[str]) -> Image.Image:
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
    palette = sample.quantize(colors, method=MEDIAN_CUT)
    first, *others = [picture.quantize(palette=palette, dither=NO_DITHER) for picture in pictures]
    duration = max(SHORTEST, round(1000 * period))
    with replacing(path) as temporary:
        first.save(temporary, format="GIF", save_all=True, append_images=others, duration=duration, loop=0)


def check_video(path: Path) -> None:
    """Raises ValueError or FileNotFoundError when `save_video` could not write there."""
    if path.suffix not in VIDEOS:
        raise ValueError(f"{path} must end in {' or '.join(VIDEOS)}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no such folder for the output: {path.parent}")


def save_video(path: Path, pictures: Iterable[Image.Image], period: float) -> int:
    """Writes RGB pictures of one size as a GIF or an MP4 file, by the name's ending; returns how many they were.

    Args:
        period: seconds per picture.

    Raises:
        ValueError: another ending, or this OpenCV cannot write MP4.
    """
    check_video(path)
    if path.suffix == ".mp4":
        return _save_mp4(path, pictures, period)
    pictures = list(pictures)
    save_gif(path, pictures, period)
    return len(pictures)


def _save_mp4(path: Path, pictures: Iterable[Image.Image], period: float) -> int:
    """Writes MPEG-4 video, which OpenCV's wheels can encode without further libraries."""
    writer, count = None, 0
    with replacing(path, ending=path.suffix) as temporary:
        for picture in pictures:
            frame = np.asarray(picture)[: picture.height // 2 * 2, : picture.width // 2 * 2, ::-1]  # even sides, BGR
            if writer is None:
                code = cv2.VideoWriter_fourcc(*"mp4v")
                writer = cv2.VideoWriter(str(temporary), code, 1 / period, frame.shape[1::-1])
                if not writer.isOpened():
                    raise ValueError(f"{path}: this OpenCV cannot write MP4 video; write a .gif")
            writer.write(np.ascontiguousarray(frame))
            count += 1
        writer.release()
    return count


def save_picture(path: Path, picture: Image.Image) -> None:
    """Writes a picture, in a new folder if need be. Raises ValueError for an ending that stands for no format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, path.suffix) as temporary:
        picture.save(temporary)


def save_figure(figure: Figure, path: Path, dpi: int = 100) -> None:
    """Writes a matplotlib figure as PNG."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)


def _font(label: str, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest readable size of Pillow's own font in which the label fits."""
    for size in range(16, 8, -1):
        font = _font_of(size)
        if font.getlength(label) <= width:
            break
    return font


@cache
def _font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font in a size; matplotlib's where Pillow, before 10.1, has it in one size only."""
    try:
        return ImageFont.load_default(size)
    except TypeError:
        import matplotlib

        return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")), size)
