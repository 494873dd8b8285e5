"""The grid picture: per task a few pairs as now | predicted | truth | error, with their scores."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from framepred_ros.pictures import save_figure
from training.dataset.index import Row
from training.evaluation.scoring.scores import PairScore

Pictures = tuple[np.ndarray, np.ndarray, np.ndarray]  # now, predicted, truth

_COLUMN_COUNT = 4
_LARGEST_ERROR = 128  # levels of 255; stronger differences look the same anyway
_WIDTH = 11.0  # inches, of which a picture takes _PICTURE_WIDTH
_PICTURE_WIDTH = 2.4
_LABEL_HEIGHT = 0.42


def choose_rows(
    scores: Sequence[PairScore], evenly: int = 3, subject: str = "prediction"
) -> list[tuple[str, PairScore]]:
    """Per task: pairs evenly drawn, then the worst and the best by the subject's SSIM, each with that label."""
    by_task: dict[str, list[PairScore]] = defaultdict(list)
    for score in scores:
        by_task[score.row.task].append(score)
    chosen = []
    for task in sorted(by_task):
        of_task = by_task[task]
        ranked = sorted(of_task, key=lambda score: score.values[subject]["ssim"])
        chosen += [("evenly drawn", score) for score in evenly_drawn(of_task, evenly)]
        chosen += [("worst", ranked[0]), ("best", ranked[-1])]
    return chosen


def evenly_drawn(scores: Sequence[PairScore], count: int) -> list[PairScore]:
    """The middles of so many equal parts: the first pair of an episode shows a robot at rest."""
    positions = ((np.arange(count) + 0.5) * len(scores) / count).astype(int)
    return [scores[position] for position in dict.fromkeys(positions.tolist())]


def write_grid(
    path: Path,
    scores: Sequence[PairScore],
    pictures_of: Callable[[Row], Pictures],
    horizon: str,
    subject: str = "prediction",
    reference: str = "copy",
) -> None:
    """Writes the grid as a PNG file.

    Args:
        path: the file.
        scores: of all evaluated pairs.
        pictures_of: gives the pictures of a row, uint8 RGB (H, W, 3) each.
        horizon: how far ahead, in words, for the column titles.
        subject, reference: whose scores stand below the prediction and below the current frame.
    """
    chosen = [(label, score, pictures_of(score.row)) for label, score in choose_rows(scores, subject=subject)]
    height, width = chosen[0][2][0].shape[:2]
    row_height = _PICTURE_WIDTH * height / width + _LABEL_HEIGHT
    figure = Figure(figsize=(_WIDTH, row_height * len(chosen) + 0.3), layout="constrained")
    axes = figure.subplots(len(chosen), _COLUMN_COUNT, squeeze=False)
    for line, (label, score, pictures) in zip(axes, chosen, strict=True):
        error = _draw_row(line, label, score, pictures, (reference, subject))
    titles = ("now", f"predicted, {horizon} ahead", f"truth, {horizon} later", "error |predicted - truth|")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=9)
    figure.colorbar(
        error, ax=axes[:, -1], fraction=0.08, aspect=40, shrink=min(1.0, 3 / len(chosen)), label="levels of 255"
    )
    save_figure(figure, path, dpi=110)


def _draw_row(axes: np.ndarray, label: str, score: PairScore, pictures: Pictures, subjects: tuple[str, str]):
    _now, predicted, truth = pictures
    error = np.abs(predicted.astype(np.int16) - truth).mean(axis=2)
    for axis, picture in zip(axes, pictures, strict=False):
        axis.imshow(picture)
    image = axes[3].imshow(error, cmap="magma", vmin=0, vmax=_LARGEST_ERROR)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    row = score.row
    axes[0].set_ylabel(f"{row.task}\n{label}\nepisode {row.episode}, frame {row.frame}", fontsize=7)
    for axis, subject in zip(axes, subjects, strict=False):
        values = score.values[subject]
        axis.set_xlabel(f"{subject}: SSIM {values['ssim']:.3f}, PSNR {values['psnr']:.1f} dB", fontsize=8)
    axes[2].set_xlabel(textwrap.fill(f'"{row.prompt}"', 46, max_lines=2), fontsize=7, style="italic")
    return image
