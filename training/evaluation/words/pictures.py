"""Choices as a picture: one frame, all instructions, the predictions above the truths."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from training.evaluation.predictors.base import Predictor
from training.evaluation.scoring.measure import MeasureOptions
from training.evaluation.words.choices import BRANCH, START, Choice
from training.evaluation.words.measure import ChoiceValues, predict_choice
from training.evaluation.words.summary import hit

if TYPE_CHECKING:
    from training.evaluation.words.run import Words

SHOWN = 3  # of each kind, starts and branches
_PICTURE_WIDTH = 1.7  # inches
_LABEL_HEIGHT = 0.4
_RIGHT, _WRONG = "#157f3b", "#b3261e"


def shown_choices(words: Words, count: int) -> Iterator[int]:
    """Indices of up to `count` choices of each kind, evenly drawn."""
    for place in (START, BRANCH):
        found = [index for index, choice in enumerate(words.choices.usable) if choice.place == place]
        for position in np.unique(np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)):
            yield found[position]


def shown_phrasing(choice: Choice) -> str:
    """The kind of phrasing that pictures are made with: the one kept back, where there is such."""
    return choice.phrasings[-1]


def hits_of(choice: Choice, values: ChoiceValues, kind: str) -> list[float]:
    """Per instruction whether its prediction is nearest to its own future, as in the choice accuracy."""
    return [hit(np.array(row), choice.classes, index) for index, row in enumerate(values[kind]["mse"])]


def write_choices(path: Path, words: Words, name: str, predictor: Predictor, options: MeasureOptions) -> None:
    """Writes a PNG with a few choices below each other; `name` is that of the predictor in `words`.

    A frame is green where the prediction is nearest to its own instruction's future, else red.
    """
    indices = list(shown_choices(words, SHOWN))
    chosen = [words.choices.usable[index] for index in indices]
    predicted = [predict_choice(predictor, choice, shown_phrasing(choice), options) for choice in chosen]
    height, width = predicted[0][0].shape[:2]
    columns = 1 + max(len(choice.futures) for choice in chosen)
    part_height = 2 * (_PICTURE_WIDTH * height / width) + _LABEL_HEIGHT + 0.2
    figure = Figure(figsize=(_PICTURE_WIDTH * columns, part_height * len(chosen)), layout="constrained")
    parts = figure.subfigures(len(chosen), 1, squeeze=False)[:, 0]
    for part, index, choice, pictures in zip(parts, indices, chosen, predicted, strict=True):
        kind = shown_phrasing(choice)
        _draw(part, choice, kind, hits_of(choice, words.values[name][index], kind), pictures, columns)
    partial = path.with_name(f".{path.name}")
    figure.savefig(partial, dpi=100, format="png")
    partial.replace(path)


def _draw(part: SubFigure, choice: Choice, kind: str, hits: Sequence[float], pictures, columns: int) -> None:
    current, predictions, futures = pictures
    axes = part.subplots(2, columns, squeeze=False)
    for axis in axes.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_frame_on(False)
    _show(axes[0, 0], current, None)
    place = "start" if choice.place == START else f"branch at frame {choice.query.frame}"
    axes[0, 0].set_title(f"scene {choice.scene[1]}, {place}", fontsize=7)
    axes[0, 1].set_ylabel("predicted", fontsize=7)
    axes[1, 1].set_ylabel("truth", fontsize=7)
    for column, (future, prediction, truth, right) in enumerate(
        zip(choice.futures, predictions, futures, hits, strict=True), start=1
    ):
        _show(axes[0, column], prediction, _RIGHT if right == 1 else _WRONG)
        _show(axes[1, column], truth, None)
        axes[0, column].set_title(textwrap.fill(future.words[kind], 30, max_lines=2), fontsize=6, style="italic")


def _show(axis: Axes, picture: np.ndarray, colour: str | None) -> None:
    axis.imshow(picture)
    if colour:
        axis.set_frame_on(True)
        for spine in axis.spines.values():
            spine.set(color=colour, linewidth=2.5)
