"""Scores of single pairs, and their means per task and overall."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framepred_ros.metrics import psnr, ssim
from training.dataset_index import Row

SUBJECTS = ("prediction", "copy", "reconstruction")
"""What is compared with the true future frame: the prediction, the current frame, the autoencoder's round trip of
the true future frame."""

METRICS = ("ssim", "psnr")


@dataclass(frozen=True)
class PairScore:
    """The scores of one pair; `values[subject][metric]`, PSNR in decibels."""

    row: Row
    values: dict[str, dict[str, float]]


def score_pair(
    row: Row, current: np.ndarray, truth: np.ndarray, predicted: np.ndarray, rebuilt: np.ndarray
) -> PairScore:
    """Scores a prediction and both references against the true future frame; all images uint8 RGB (H, W, 3)."""
    images = dict(zip(SUBJECTS, (predicted, current, rebuilt), strict=True))
    return PairScore(
        row, {name: {"ssim": ssim(image, truth), "psnr": psnr(image, truth)} for name, image in images.items()}
    )


def summarize(scores: Sequence[PairScore]) -> dict[str, Any]:
    """Means and standard errors per task, over all pairs ("overall") and over the tasks' means ("macro").

    Returns:
        {"tasks": {task: summary}, "overall": summary, "macro": summary}, a summary being
        {"pairs": int, "episodes": int, subject: {metric: {"mean": float, "standard_error": float or None}}}.
    """
    by_task: dict[str, list[PairScore]] = defaultdict(list)
    for score in scores:
        by_task[score.row.task].append(score)
    tasks = {task: _summary(by_task[task]) for task in sorted(by_task)}
    return {"tasks": tasks, "overall": _summary(scores), "macro": _macro(list(tasks.values()))}


def _summary(scores: Sequence[PairScore]) -> dict[str, Any]:
    episodes = np.unique([f"{score.row.task}/{score.row.episode}" for score in scores], return_inverse=True)[1]
    summary: dict[str, Any] = {"pairs": len(scores), "episodes": int(episodes.max()) + 1}
    for subject in SUBJECTS:
        summary[subject] = {}
        for metric in METRICS:
            values = np.array([score.values[subject][metric] for score in scores])
            error = standard_error(values, episodes)
            summary[subject][metric] = {"mean": float(values.mean()), "standard_error": error}
    return summary


def standard_error(values: np.ndarray, clusters: np.ndarray) -> float | None:
    """Standard error of the mean of `values` (N,), clustered by `clusters` (N,) of integers from 0.

    Pairs of one episode are near-duplicates of each other; counting them as independent would make the error look
    several times too small. So the deviations are summed within an episode first. With one pair per episode this is
    the usual standard deviation / sqrt(N); with a single episode it is unknown, None.
    """
    count = int(clusters.max()) + 1
    if count < 2:
        return None
    sums = np.bincount(clusters, weights=values - values.mean())
    return math.sqrt(count / (count - 1) * float(sums @ sums)) / len(values)


def _macro(summaries: list[dict[str, Any]]) -> dict[str, Any]:
    macro: dict[str, Any] = {key: sum(summary[key] for summary in summaries) for key in ("pairs", "episodes")}
    for subject in SUBJECTS:
        macro[subject] = {}
        for metric in METRICS:
            cells = [summary[subject][metric] for summary in summaries]
            errors = [cell["standard_error"] for cell in cells]
            macro[subject][metric] = {
                "mean": float(np.mean([cell["mean"] for cell in cells])),
                "standard_error": None if None in errors else math.hypot(*errors) / len(errors),
            }
    return macro
