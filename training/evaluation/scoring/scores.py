"""Scores of single pairs, and their means per task and overall."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framepred_ros.metrics import psnr, ssim_with_map
from training.dataset.index import Row
from training.evaluation.predictors.base import Pair
from training.evaluation.scoring.block_position import block_scores
from training.evaluation.scoring.perceptual import lpips_distance
from training.evaluation.scoring.regions import moving_region, region_psnr, region_ssim
from training.evaluation.scoring.sharpness import sharpness_ratio

Values = dict[str, float | None]


@dataclass(frozen=True)
class PairScore:
    """The scores of one pair: `values[subject][metric]`, a subject being a predictor's name. None: not defined."""

    row: Row
    values: dict[str, Values]


def score_picture(picture: np.ndarray, pair: Pair, with_lpips: bool = False) -> Values:
    """All metrics of a predicted frame, uint8 RGB (H, W, 3), against the pair's true future frame.

    Raises:
        ValueError: the picture is not uint8, has values that are not finite, or another size than the truth.
    """
    check_picture(picture, pair)
    similarity, windows = ssim_with_map(picture, pair.truth)
    moving = moving_region(pair.current, pair.truth)
    values: Values = {"ssim": similarity, "psnr": psnr(picture, pair.truth)}
    for name, region in (("moving", moving), ("still", ~moving)):
        values[f"ssim_{name}"] = region_ssim(windows, region)
        values[f"psnr_{name}"] = region_psnr(picture, pair.truth, region)
    values["sharpness"] = sharpness_ratio(picture, pair.truth, moving)
    values |= block_scores(picture, pair.truth)
    if with_lpips:
        values["lpips"] = lpips_distance(picture, pair.truth)
    return values


def check_picture(picture: np.ndarray, pair: Pair) -> None:
    """Raises ValueError unless a predicted picture is uint8 and of the size of the pair's frames."""
    row = pair.row
    where = f"the prediction for {row.task}, episode {row.episode}, frame {row.frame}"
    if np.issubdtype(picture.dtype, np.floating) and not np.isfinite(picture).all():
        raise ValueError(f"{where} has pixels that are not numbers (NaN or infinite)")
    if picture.dtype != np.uint8:
        raise ValueError(f"{where} has {picture.dtype} pixels, not uint8")
    if picture.shape != pair.truth.shape:
        raise ValueError(f"{where} has the shape {picture.shape}, the true frame {pair.truth.shape}")


def summarize(scores: Sequence[PairScore]) -> dict[str, Any]:
    """Means and standard errors per task, over all pairs ("overall") and over the tasks' means ("macro").

    Returns:
        {"tasks": {task: summary}, "overall": summary, "macro": summary}, a summary being
        {"pairs": int, "episodes": int, subject: cells}, cells being
        {metric: {"mean": float, "standard_error": float or None, "count": int}}.
        "count" is the number of pairs for which the metric is defined; a metric defined for none is left out.
    """
    by_task: dict[str, list[PairScore]] = defaultdict(list)
    for score in scores:
        by_task[score.row.task].append(score)
    tasks = {task: _summary(by_task[task]) for task in sorted(by_task)}
    return {"tasks": tasks, "overall": _summary(scores), "macro": _macro(list(tasks.values()), scores[0].values)}


def _summary(scores: Sequence[PairScore]) -> dict[str, Any]:
    episodes = [f"{score.row.task}/{score.row.episode}" for score in scores]
    summary: dict[str, Any] = {"pairs": len(scores), "episodes": len(set(episodes))}
    for subject in scores[0].values:
        metrics = dict.fromkeys(metric for score in scores for metric in score.values[subject])
        cells = {metric: _cell([s.values[subject].get(metric) for s in scores], episodes) for metric in metrics}
        summary[subject] = {metric: cell for metric, cell in cells.items() if cell}
    return summary


def _cell(values: Sequence[float | None], episodes: Sequence[str]) -> dict[str, Any] | None:
    defined = [(value, episode) for value, episode in zip(values, episodes, strict=True) if value is not None]
    if not defined:
        return None
    numbers = np.array([value for value, _ in defined])
    clusters = np.unique([episode for _, episode in defined], return_inverse=True)[1]
    tasks = np.unique([episode.rpartition("/")[0] for _, episode in defined], return_inverse=True)[1]
    error = standard_error(numbers, clusters, tasks)
    return {"mean": float(numbers.mean()), "standard_error": error, "count": len(numbers)}


def standard_error(values: np.ndarray, clusters: np.ndarray, strata: np.ndarray | None = None) -> float | None:
    """Standard error of the mean of `values` (N,), clustered by `clusters` (N,) of integers from 0.

    Pairs of one episode are near-duplicates of each other; counting them as independent would make the error look
    several times too small. So the deviations are summed within an episode first. With one pair per episode this is
    the usual standard deviation / sqrt(N); with a single episode it is unknown, None.

    `strata` (N,) are the tasks, which are chosen and not drawn: that they differ from each other is no error of the
    mean over them. Deviations are from the mean of the task; None where a task has a single episode.
    """
    variance = 0.0
    for stratum in [np.ones(len(values), bool)] if strata is None else [strata == each for each in np.unique(strata)]:
        of_stratum = values[stratum]
        numbers = np.unique(clusters[stratum], return_inverse=True)[1]
        count = int(numbers.max()) + 1
        if count < 2:
            return None
        sums = np.bincount(numbers, weights=of_stratum - of_stratum.mean())
        variance += count / (count - 1) * float(sums @ sums)
    return math.sqrt(variance) / len(values)


def _macro(summaries: Sequence[dict[str, Any]], subjects: Sequence[str]) -> dict[str, Any]:
    macro: dict[str, Any] = {key: sum(summary[key] for summary in summaries) for key in ("pairs", "episodes")}
    for subject in subjects:
        metrics = [metric for metric in summaries[0][subject] if all(metric in s[subject] for s in summaries)]
        macro[subject] = {metric: _macro_cell([s[subject][metric] for s in summaries]) for metric in metrics}
    return macro


def _macro_cell(cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    errors = [cell["standard_error"] for cell in cells]
    return {
        "mean": float(np.mean([cell["mean"] for cell in cells])),
        "standard_error": None if None in errors else math.hypot(*errors) / len(errors),
        "count": sum(cell["count"] for cell in cells),
    }
