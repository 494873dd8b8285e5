"""Run a predictor over pairs and score what it predicts."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from training.dataset_index import DatasetManifest, Row
from training.evaluation.pair_data import read_frame
from training.evaluation.scores import PairScore, score_pair

_LATENCY_CALLS = 10
_LARGEST_BACKLOG = 64  # pictures waiting to be scored are a megabyte a pair


class Predictor(Protocol):
    """What evaluation uses of `framepred_ros.predictor.FramePredictor`; images are uint8 RGB (H, W, 3)."""

    horizon: int
    step_duration: float | None

    def predict_batch(
        self, images: Sequence[np.ndarray], instructions: Sequence[str], steps: int | None, seed: int | None
    ) -> list[np.ndarray]: ...

    def reconstruct(self, image: np.ndarray) -> np.ndarray: ...


class HorizonMismatchError(ValueError):
    """The checkpoint predicts another distance into the future than the dataset's pairs have."""


@dataclass(frozen=True)
class MeasureOptions:
    """`size` (width, height) resizes every frame first, None keeps the camera's; `steps` None is the checkpoint's."""

    steps: int | None = None
    seed: int = 0
    batch_size: int = 8
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Measurement:
    """Scores in the order of the rows, and times in seconds.

    `seconds_per_prediction` is the median of single `predict` calls, `seconds_per_prediction_batched` the mean over
    the batches; neither includes the first call, which warms up.
    """

    scores: list[PairScore]
    seconds_per_prediction: float
    seconds_per_prediction_batched: float | None


def check_horizon(predictor: Predictor, manifest: DatasetManifest) -> None:
    """Raises HorizonMismatchError unless the checkpoint's horizon, in steps and seconds, is the dataset's."""
    if predictor.horizon != manifest.horizon:
        raise HorizonMismatchError(
            f"the checkpoint predicts {predictor.horizon} steps ahead, but the dataset's pairs are {manifest.horizon} "
            f"steps apart; build a dataset with --horizon {predictor.horizon}"
        )
    step = predictor.step_duration
    if step is not None and not math.isclose(step, manifest.step_duration, rel_tol=0.01):
        raise HorizonMismatchError(
            f"the checkpoint predicts {predictor.horizon * step:g} s ahead (steps of {step:g} s), but the dataset's "
            f"pairs are {manifest.horizon * manifest.step_duration:g} s apart (steps of {manifest.step_duration:g} s)"
        )


def measure(
    predictor: Predictor,
    rows: Sequence[Row],
    options: MeasureOptions,
    pool: Executor | None = None,
    on_scored: Callable[[int], None] = lambda count: None,
) -> Measurement:
    """Predicts, reconstructs and scores every row.

    Args:
        predictor: see `Predictor`.
        rows: at least one.
        options: see `MeasureOptions`.
        pool: scores pairs beside the prediction; None scores in this process.
        on_scored: called with a number of pairs that were scored, for progress.

    Raises:
        DatasetError: a frame cannot be read.
    """
    scores: list[PairScore] = []
    backlog: deque = deque()
    batch_seconds = []
    for start in range(0, len(rows), options.batch_size):
        batch = rows[start : start + options.batch_size]
        current = [read_frame(row.input_image, options.size) for row in batch]
        truth = [read_frame(row.edited_image, options.size) for row in batch]
        started = time.perf_counter()
        predicted = _predict(predictor, current, [row.prompt for row in batch], options)
        batch_seconds.append((time.perf_counter() - started, len(batch)))
        rebuilt = [predictor.reconstruct(frame) for frame in truth]
        for pair in zip(batch, current, truth, predicted, rebuilt, strict=True):
            backlog.append(pool.submit(score_pair, *pair).result if pool else _constant(score_pair(*pair)))
        _collect(backlog, scores, _LARGEST_BACKLOG if pool else 0, on_scored)
    _collect(backlog, scores, 0, on_scored)
    return Measurement(scores, _latency(predictor, rows[0], options), _mean_seconds(batch_seconds[1:]))


def predict_row(predictor: Predictor, row: Row, options: MeasureOptions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Current frame, predicted frame and true future frame of a row, each uint8 RGB (H, W, 3)."""
    current = read_frame(row.input_image, options.size)
    return current, _predict(predictor, [current], [row.prompt], options)[0], read_frame(row.edited_image, options.size)


def _predict(predictor: Predictor, images: list[np.ndarray], prompts: list[str], options: MeasureOptions):
    return predictor.predict_batch(images, prompts, steps=options.steps, seed=options.seed)


def _constant(value: PairScore) -> Callable[[], PairScore]:
    return lambda: value


def _collect(backlog: deque, scores: list[PairScore], limit: int, on_scored: Callable[[int], None]) -> None:
    """Takes finished scores, in order, until at most `limit` are outstanding."""
    while len(backlog) > limit:
        scores.append(backlog.popleft()())
        on_scored(1)


def _latency(predictor: Predictor, row: Row, options: MeasureOptions) -> float:
    image = read_frame(row.input_image, options.size)
    seconds = []
    for _ in range(1 + _LATENCY_CALLS):
        started = time.perf_counter()
        _predict(predictor, [image], [row.prompt], options)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def _mean_seconds(batches: list[tuple[float, int]]) -> float | None:
    pairs = sum(count for _, count in batches)
    return sum(seconds for seconds, _ in batches) / pairs if pairs else None
