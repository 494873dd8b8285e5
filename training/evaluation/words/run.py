"""The words measure of an evaluation or a study: which choices, every predictor's values, and the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from training.dataset.index import load_split
from training.evaluation.predictors.base import Predictor
from training.evaluation.scoring.journal import Journal
from training.evaluation.scoring.run import PairSet, Workplace, identity
from training.evaluation.words.choices import BRANCH, MIN_AREA, START, Choice, Choices, find_choices, look_at_choices
from training.evaluation.words.measure import ChoiceValues, score_choices
from training.evaluation.words.summary import summarize_words

VERSION = 1
"""Version of what is kept of a choice. When it changes, choices are measured anew."""


@dataclass(frozen=True)
class Words:
    """Choices, and the values of every predictor that takes words, in their order."""

    choices: Choices
    values: dict[str, list[ChoiceValues]]


def measure_words(
    pairs: PairSet, predictors: Mapping[str, tuple[Any, Predictor]], place: Workplace, most: int | None = None
) -> Words | None:
    """Measures whether the words decide, on the frames of a split from which several instructions are possible.

    Args:
        pairs: says dataset and split; the choices are drawn from all of its rows.
        predictors: by name, each with its spec.
        most: how many frames of each kind, starts and branches, to take, evenly drawn; None is all.

    Returns:
        None where the dataset knows of no such frames.
    """
    found = find_choices(pairs.manifest, load_split(pairs.dataset, pairs.split))
    drawn = [choice for kind in (START, BRANCH) for choice in _evenly([c for c in found if c.place == kind], most)]
    if not drawn:
        return None
    quiet = True if place.process.number else None  # None: where there is no terminal
    with tqdm(total=len(drawn), desc="looking at choices", unit="frame", leave=False, disable=quiet) as bar:
        choices = look_at_choices(drawn, MIN_AREA, place.options.size, bar.update)
    values = {
        name: _score(spec, predictor, choices.usable, pairs, place, f"{name}, words")
        for name, (spec, predictor) in predictors.items()
        if predictor.takes_words and choices.usable
    }
    return Words(choices, values)


def words_results(words: Words, pairs: PairSet) -> dict[str, Any]:
    """What results.json says of it."""
    usable = words.choices.usable
    return {
        "horizon": pairs.manifest.horizon,
        "seconds": pairs.manifest.horizon * pairs.manifest.step_duration,
        "smallest_area": MIN_AREA,
        "frames": {place: sum(choice.place == place for choice in usable) for place in (START, BRANCH)},
        "scenes": len({choice.scene for choice in usable}),
        "instructions": sum(len(choice.futures) for choice in usable),
        "futures": sum(len(set(choice.classes)) for choice in usable),
        "left_out": words.choices.left_out,
        "predictors": {name: summarize_words(usable, values) for name, values in words.values.items()},
    }


def _evenly(choices: Sequence[Choice], count: int | None) -> list[Choice]:
    if count is None or len(choices) <= count:
        return list(choices)
    return [choices[position] for position in np.linspace(0, len(choices) - 1, count).round().astype(int)]


def _score(
    spec: Any, predictor: Predictor, choices: Sequence[Choice], pairs: PairSet, place: Workplace, label: str
) -> list[ChoiceValues]:
    key = {**identity(spec, pairs, place.options, predictor), "words": VERSION}
    journal = Journal(place.scores, key, place.process.number)
    hidden = True if place.process.number else None
    with tqdm(total=len(choices), desc=label, unit="frame", disable=hidden) as bar:
        return score_choices(predictor, choices, place.options, journal, bar.update, place.process)
