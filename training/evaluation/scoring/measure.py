"""Run predictors over pairs and score what they predict."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.dataset.index import DatasetManifest, Row
from training.evaluation.predictors.autoencoder_ceiling import AutoencoderCeiling
from training.evaluation.predictors.base import Predictor, read_pair
from training.evaluation.predictors.checkpoint import CheckpointPredictor
from training.evaluation.predictors.copying import Copying
from training.evaluation.scoring.journal import Journal, row_key
from training.evaluation.scoring.scores import PairScore, Values, score_picture

WITH_PAST = "prediction_with_past"
REFERENCES = ("copy", "reconstruction")  # what does not follow from a checkpoint's training
"""Name of a checkpoint's predictions from the current frame and those before it, beside "prediction" from one alone."""
_LATENCY_CALLS = 10


class HorizonMismatchError(ValueError):
    """The horizon of a predictor differs from the distance between the frames of the dataset's pairs."""


@dataclass(frozen=True)
class MeasureOptions:
    """`size` (width, height) resizes every frame first, None keeps the camera's; `steps` None is the checkpoint's."""

    steps: int | None = None
    seed: int = 0
    batch_size: int = 8
    size: tuple[int, int] | None = None
    lpips: bool = False


@dataclass(frozen=True)
class Measurement:
    """Scores in the order of the rows; `seconds_per_prediction` is the median of single predictions after the first."""

    scores: list[PairScore]
    seconds_per_prediction: float


@dataclass(frozen=True)
class Process:
    """This process's place among those that share an evaluation; `wait` returns when all have called it."""

    number: int = 0
    count: int = 1
    wait: Callable[[], None] = lambda: None


def check_horizon(predictor: Predictor, manifest: DatasetManifest, horizon: int | None = None) -> None:
    """Raises HorizonMismatchError unless a predictor can be asked for the pairs' horizon, in steps and seconds.

    Args:
        horizon: of the pairs, in steps; None is the dataset's.
    """
    horizon = manifest.horizon if horizon is None else horizon
    if predictor.horizon is None:
        return
    shortest, longest = predictor.horizons or (predictor.horizon, predictor.horizon)
    if not shortest <= horizon <= longest:
        reach = str(longest) if shortest == longest else f"{shortest} to {longest}"
        raise HorizonMismatchError(
            f"the checkpoint predicts {reach} steps ahead, but the dataset's pairs are {horizon} steps apart; build a "
            f"dataset with --horizon {predictor.horizon}"
        )
    step = predictor.step_duration
    if step is not None and not math.isclose(step, manifest.step_duration, rel_tol=0.01):
        raise HorizonMismatchError(
            f"the checkpoint predicts {horizon * step:g} s ahead (steps of {step:g} s), but the dataset's pairs are "
            f"{horizon * manifest.step_duration:g} s apart (steps of {manifest.step_duration:g} s)"
        )


def checkpoint_subjects(model, options: MeasureOptions) -> dict[str, Predictor]:
    """A checkpoint, also with the past if it takes one, and both references that frame its scores.

    `model` is a `FramePredictor`.
    """
    subjects: dict[str, Predictor] = {"prediction": CheckpointPredictor(model, options.steps, options.seed)}
    if model.history:
        subjects[WITH_PAST] = CheckpointPredictor(model, options.steps, options.seed, history=True)
    return subjects | {"copy": Copying(), "reconstruction": AutoencoderCeiling(model)}


def measure(model, rows: Sequence[Row], options: MeasureOptions) -> Measurement:
    """Scores of a checkpoint, of copying and of the autoencoder's ceiling; see `checkpoint_subjects`.

    Args:
        model: a `FramePredictor`.
        rows: at least one.

    Raises:
        DatasetError: a frame cannot be read.
    """
    subjects = checkpoint_subjects(model, options)
    values = {name: score_rows(predictor, rows, options) for name, predictor in subjects.items()}
    return Measurement(merge(rows, values), time_prediction(subjects["prediction"], rows[0], options))


def merge(rows: Sequence[Row], values: dict[str, list[Values]]) -> list[PairScore]:
    """Joins the values of several subjects, each in the order of `rows`."""
    return [PairScore(row, {name: values[name][index] for name in values}) for index, row in enumerate(rows)]


def score_rows(
    predictor: Predictor,
    rows: Sequence[Row],
    options: MeasureOptions,
    journal: Journal | None = None,
    on_scored: Callable[[int], None] = lambda count: None,
    process: Process = Process(),  # noqa: B008  (frozen)
) -> list[Values]:
    """Predicts and scores rows, in their order.

    Args:
        journal: takes every batch's scores; rows that it holds already are not predicted again.
        on_scored: called with a number of rows that are done, for progress.
        process: with several, each does its part of what is left, and all return all the scores from the journal.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # SciPy and OpenCV release the interpreter lock

        def score(batch: Sequence[Row]) -> list[Values]:
            return _score_batch(predictor, batch, options, pool)

        return in_journal(predictor, rows, score, options, journal, on_scored, process)


def in_journal(
    predictor: Predictor,
    rows: Sequence[Row],
    score: Callable[[Sequence[Row]], list[Any]],
    options: MeasureOptions,
    journal: Journal | None,
    on_scored: Callable[[int], None],
    process: Process,
) -> list[Any]:
    """What `score` gives for batches of rows, in the order of all rows; for those in the journal it is not called.

    The other arguments are as in `score_rows`. What is scored is JSON-like.
    """
    done = journal.read() if journal else {}
    process.wait()  # no process may write before all have read what is left to do
    todo = [row for row in rows if row_key(row) not in done]
    on_scored(len(rows) - len(todo))
    share = todo[process.number :: process.count]
    if share:
        predictor.prepare(share, options.size)
    for start in range(0, len(share), options.batch_size):
        batch = share[start : start + options.batch_size]
        scored = list(zip(batch, score(batch), strict=True))
        if journal:
            journal.append(scored)
        done |= {row_key(row): values for row, values in scored}
        on_scored(len(batch))
    process.wait()
    if process.count > 1 and journal:
        done = journal.read()
    return [done[row_key(row)] for row in rows]


def wanted_history(predictors: Iterable[Predictor]) -> tuple[int, ...]:
    """How many steps back the frames lie that any of some predictors wants."""
    return tuple(sorted({steps for predictor in predictors for steps in predictor.history}))


def _score_batch(
    predictor: Predictor, rows: Sequence[Row], options: MeasureOptions, pool: ThreadPoolExecutor
) -> list[Values]:
    pairs = [read_pair(row, options.size, predictor.history) for row in rows]
    predictions = predictor.predict(pairs)
    scores = pool.map(lambda p, pair: score_picture(p.picture, pair, options.lpips) | p.values, predictions, pairs)
    return list(scores)


def predict_row(model, row: Row, options: MeasureOptions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Current frame, a checkpoint's prediction and true future frame of a row, each uint8 RGB (H, W, 3)."""
    pair = read_pair(row, options.size)
    return pair.current, CheckpointPredictor(model, options.steps, options.seed).predict([pair])[0].picture, pair.truth


def time_prediction(predictor: Predictor, row: Row, options: MeasureOptions) -> float:
    """Median seconds of single predictions; the first, which warms up, does not count."""
    pair = read_pair(row, options.size, predictor.history)
    seconds = []
    for _ in range(1 + _LATENCY_CALLS):
        started = time.perf_counter()
        predictor.predict([pair])
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])
