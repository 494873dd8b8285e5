"""What each predictor makes of the same pairs, as in Figures 4 to 6 of the paper: one picture per task."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from framepred_ros.pictures import save_figure
from training.evaluation.grid import evenly_drawn
from training.evaluation.predictors.base import Predictor, read_pair
from training.evaluation.scoring.measure import wanted_history
from training.evaluation.scoring.scores import PairScore

PAIRS = 3
_PICTURE_WIDTH = 1.75  # inches
_LABEL_HEIGHT = 0.3


def write_side_by_side(out: Path, scores: Sequence[PairScore], predictors: Mapping[str, Predictor]) -> list[Path]:
    """Writes `out/side_by_side_{task}.png`; returns the files.

    Args:
        scores: of all evaluated pairs; a few of each task are drawn evenly.
        predictors: by the name under which `scores` has them, in the order of the columns.
    """
    paths = []
    for task in sorted({score.row.task for score in scores}):
        chosen = evenly_drawn([score for score in scores if score.row.task == task], PAIRS)
        paths.append(out / f"side_by_side_{task}.png")
        save_figure(_draw(chosen, predictors), paths[-1], dpi=110)
    return paths


def _draw(chosen: Sequence[PairScore], predictors: Mapping[str, Predictor]) -> Figure:
    history = wanted_history(predictors.values())
    pairs = [read_pair(score.row, None, history) for score in chosen]
    height, width = pairs[0].current.shape[:2]
    columns = len(predictors) + 2
    row_height = _PICTURE_WIDTH * height / width + _LABEL_HEIGHT
    figure = Figure(figsize=(_PICTURE_WIDTH * columns, row_height * len(pairs) + 0.2), layout="constrained")
    axes = figure.subplots(len(pairs), columns, squeeze=False)
    for line, score, pair in zip(axes, chosen, pairs, strict=True):
        pictures = [each.predict([pair])[0].picture for each in predictors.values()]
        for axis, picture in zip(line, [pair.current, *pictures, pair.truth], strict=True):
            _show(axis, picture)
        for axis, name in zip(line[1:], predictors, strict=False):
            values = score.values[name]
            axis.set_xlabel(f"{values['ssim']:.3f} / {values['psnr']:.1f} dB", fontsize=8)
        line[0].set_ylabel(f"episode {score.row.episode}, frame {score.row.frame}", fontsize=7)
        line[0].set_xlabel(textwrap.fill(f'"{score.row.prompt}"', 36, max_lines=2), fontsize=6, style="italic")
    for axis, title in zip(axes[0], ["now", *predictors, "truth"], strict=True):
        axis.set_title(textwrap.fill(title, 22), fontsize=8)
    return figure


def _show(axis: Axes, picture: np.ndarray) -> None:
    axis.imshow(picture)
    axis.set_xticks([])
    axis.set_yticks([])
