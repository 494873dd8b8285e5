"""What the report's viewer of choices shows: one frame, all instructions, predictions above truths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.evaluation.predictors.base import Predictor
from training.evaluation.report_page import jpeg_uri
from training.evaluation.scoring.measure import MeasureOptions
from training.evaluation.words.choices import START, Choice
from training.evaluation.words.measure import predict_choice
from training.evaluation.words.pictures import hits_of, shown_choices, shown_phrasing
from training.evaluation.words.run import Words

SAMPLES = 6  # of each kind, starts and branches


def words_viewer(
    words: Words, predictors: Mapping[str, Predictor], featured: str, options: MeasureOptions
) -> dict[str, Any]:
    """Samples of choices as JSON, pictures in them; each predictor predicts them once more."""
    samples = [_sample(words, index, predictors, options) for index in shown_choices(words, SAMPLES)]
    return {"predictors": list(words.values), "featured": featured, "samples": samples}


def _sample(words: Words, index: int, predictors: Mapping[str, Predictor], options: MeasureOptions) -> dict[str, Any]:
    choice = words.choices.usable[index]
    kind = shown_phrasing(choice)
    predictions = {}
    for name, values in words.values.items():
        current, pictures, futures = predict_choice(predictors[name], choice, kind, options)
        predictions[name] = {
            "pictures": [jpeg_uri(picture) for picture in pictures],
            "hits": hits_of(choice, values[index], kind),
        }
    return {
        "label": _label(choice),
        "now": jpeg_uri(current),
        "instructions": [future.words[kind] for future in choice.futures],
        "truths": [jpeg_uri(future) for future in futures],
        "predictions": predictions,
    }


def _label(choice: Choice) -> str:
    task, number = choice.scene
    branch = f"branch at frame {choice.query.frame} of episode {choice.query.episode}"
    return f"{task}, scene {number}, {'start' if choice.place == START else branch}"
