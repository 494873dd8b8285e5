"""Ask a predictor for every instruction that is possible in a frame, and measure how near it comes to which future."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from training.dataset.pairs import draw
from training.dataset.stored_pairs import read_frame, read_past
from training.evaluation.predictors.base import Pair, Predictor
from training.evaluation.scoring.journal import Journal
from training.evaluation.scoring.measure import MeasureOptions, Process, in_journal
from training.evaluation.scoring.scores import check_picture
from training.evaluation.words.choices import Choice
from training.evaluation.words.distances import distances_in_pairs, distances_to_futures, moved_share

NONE, NONSENSE = "none", "nonsense"
NO_WORDS = ""
NONSENSE_WORDS = (
    "what a fine day it was",
    "seven bicycles were singing quietly",
    "the moon owes nobody an apology",
    "yesterday tasted of old maps",
)

ChoiceValues = dict[str, Any]
"""Distances per kind of phrasing (`_of_phrasing`); under "none" and "nonsense" the mean squared error of what is
predicted without words, or with words that mean nothing, from each future; under "moved" and "truth_moved" see
`moved_share`."""


def score_choices(
    predictor: Predictor,
    choices: Sequence[Choice],
    options: MeasureOptions,
    journal: Journal | None = None,
    on_scored: Callable[[int], None] = lambda count: None,
    process: Process = Process(),  # noqa: B008  (frozen)
) -> list[ChoiceValues]:
    """Predicts and measures choices, in their order; arguments as those of `score_rows`.

    Every prediction of a choice starts from the same row, that of its query: only the words differ, so a predictor
    that ignores them predicts the same picture for all.
    """
    by_row = {_row(choice): choice for choice in choices}

    def score(rows) -> list[ChoiceValues]:
        return [_score(predictor, by_row[row], options) for row in rows]

    one_by_one = replace(options, batch_size=1)  # a choice has as many frames as a batch
    return in_journal(predictor, list(by_row), score, one_by_one, journal, on_scored, process)


def predict_choice(
    predictor: Predictor, choice: Choice, kind: str, options: MeasureOptions
) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Current frame, predictions in the words of a kind of phrasing, and futures of a choice, uint8 RGB (H, W, 3)."""
    current, futures = _read(choice, options)
    words = [future.words[kind] for future in choice.futures]
    return current, _predict(predictor, choice, current, futures, words, options), futures


def _row(choice: Choice):
    """What names a choice in a journal."""
    return replace(choice.query, prompt=choice.place)


def _score(predictor: Predictor, choice: Choice, options: MeasureOptions) -> ChoiceValues:
    current, futures = _read(choice, options)
    values: ChoiceValues = {"truth_moved": moved_share(futures, current)}
    for kind in choice.phrasings:
        words = [future.words[kind] for future in choice.futures]
        pictures = _predict(predictor, choice, current, futures, words, options)
        values[kind] = _of_phrasing(pictures, current, futures)
    if not predictor.sees_truth:
        nonsense = NONSENSE_WORDS[draw(*choice.scene, choice.query.frame) % len(NONSENSE_WORDS)]
        words = [NO_WORDS, nonsense]
        pictures = _predict(predictor, choice, current, futures[:2], words, options)
        values |= dict(zip((NONE, NONSENSE), distances_to_futures(pictures, futures)["mse"], strict=True))
    return values


def _of_phrasing(pictures: Sequence[np.ndarray], current: np.ndarray, futures: Sequence[np.ndarray]) -> dict[str, Any]:
    """Distances of the predictions for K instructions from the K futures."""
    pairs = distances_in_pairs(pictures, futures)
    return {**distances_to_futures(pictures, futures), "pairs": pairs, "moved": moved_share(pictures, current)}


def _read(choice: Choice, options: MeasureOptions) -> tuple[np.ndarray, list[np.ndarray]]:
    current = read_frame(choice.query.input_image, options.size)
    return current, [read_frame(future.row.edited_image, options.size) for future in choice.futures]


def _predict(
    predictor: Predictor,
    choice: Choice,
    current: np.ndarray,
    truths: Sequence[np.ndarray],
    words: Sequence[str],
    options: MeasureOptions,
) -> list[np.ndarray]:
    past = read_past(choice.query, predictor.history, options.size)
    pairs = [
        Pair(replace(choice.query, prompt=text), current, truth, past)
        for text, truth in zip(words, truths, strict=True)
    ]
    pictures = []
    for start in range(0, len(pairs), options.batch_size):
        batch = pairs[start : start + options.batch_size]
        for prediction, pair in zip(predictor.predict(batch), batch, strict=True):
            check_picture(prediction.picture, pair)
            pictures.append(prediction.picture)
    return pictures
