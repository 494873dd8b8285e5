"""The pictures of an inspection: pairs of every task, and how much moves in them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from framepred_ros.pictures import save_figure
from training.dataset.index import DatasetManifest, Row
from training.dataset.stored_pairs import read_frame
from training.inspection.motion import Motion, difference

_WIDTH = 9.0  # inches, of which a picture takes _PICTURE_WIDTH
_PICTURE_WIDTH = 2.6
_LABEL_HEIGHT = 0.36
_LARGEST_DIFFERENCE = 128  # levels of 255; stronger ones look the same anyway


def draw_random(rows: Sequence[Row], per_task: int, seed: int) -> list[Row]:
    """`per_task` rows of every task, drawn at random, ordered by task, episode and frame."""
    random = np.random.default_rng(seed)
    chosen = []
    for task in sorted({row.task for row in rows}):
        of_task = [row for row in rows if row.task == task]
        positions = random.choice(len(of_task), min(per_task, len(of_task)), replace=False)
        chosen += [of_task[position] for position in sorted(positions)]
    return chosen


def write_pairs(path: Path, rows: Sequence[Row], manifest: DatasetManifest) -> None:
    """Writes a PNG with a line per row: now, later, difference."""
    width, height = manifest.image_size
    line_height = _PICTURE_WIDTH * height / width + _LABEL_HEIGHT
    figure = Figure(figsize=(_WIDTH, line_height * len(rows) + 0.4), layout="constrained")
    axes = figure.subplots(len(rows), 3, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        image = _draw_pair(line, row)
    seconds = manifest.horizon * manifest.step_duration
    titles = ("now", f"{manifest.horizon} steps ({seconds:.4g} s) later", "|later - now|, levels of 255")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes[:, -1], fraction=0.06, aspect=40, shrink=min(1.0, 2 / len(rows)))
    save_figure(figure, path)


def _draw_pair(axes: np.ndarray, row: Row):
    axes[0].imshow(read_frame(row.input_image))
    axes[1].imshow(read_frame(row.edited_image))
    levels = difference(row)
    image = axes[2].imshow(levels, cmap="magma", vmin=0, vmax=_LARGEST_DIFFERENCE)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    split = row.input_image.parent.parent.name
    axes[0].set_ylabel(f"{row.task}\n{split}, episode {row.episode}\nframe {row.frame}", fontsize=7)
    axes[1].set_xlabel(textwrap.fill(f'"{row.prompt}"', 52, max_lines=2), fontsize=7, style="italic")
    axes[2].set_xlabel(f"mean {levels.mean():.1f}", fontsize=7)
    return image


def write_motion(path: Path, motions: Sequence[Motion], manifest: DatasetManifest) -> None:
    """Writes a PNG with a histogram of the motion of every task, on one scale."""
    figure = Figure(figsize=(_WIDTH, 1.7 * len(motions) + 0.8), layout="constrained")
    axes = figure.subplots(len(motions), 1, sharex=True, squeeze=False)[:, 0]
    largest = max(motion.differences.max() for motion in motions)
    bins = np.linspace(0, max(largest, 1.0), 41)
    for axis, motion in zip(axes, motions, strict=True):
        median = motion.quantiles()["median"]
        axis.hist(motion.differences, bins, color="tab:blue")
        axis.axvline(median, color="black", linewidth=1)
        title = f"{motion.task}: {len(motion.differences)} pairs, median {median:.1f}, still {motion.still:.0%}"
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_ylabel("pairs")
    axes[-1].set_xlabel(f"mean |frame i + {manifest.horizon} - frame i|, levels of 255 (line: median)")
    save_figure(figure, path)
