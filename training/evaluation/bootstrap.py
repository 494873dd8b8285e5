"""Is a predictor better than copying, or just lucky? A paired bootstrap over episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.scoring.scores import PairScore

RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """Mean difference of two subjects, its 95 % interval, and the two-sided p of no difference."""

    mean: float
    low: float
    high: float
    p: float
    episodes: int


def paired_bootstrap(
    scores: Sequence[PairScore], subject: str, reference: str, metric: str, seed: int = 0
) -> Difference | None:
    """Difference subject - reference of a metric, over the pairs where both are defined.

    None where a task has a single episode: drawn anew it is the same, which would look certain.

    Episodes are drawn with replacement, each task keeping its number of them; within an episode pairs are
    near-duplicates. p counts the resamples on the wrong side of zero, twice, so it is never below 2 / `RESAMPLES`; with
    few episodes it is optimistic (Efron and Tibshirani, An Introduction to the Bootstrap, chapters 13 and 15).
    """
    by_task: dict[str, dict[int, list[float]]] = {}
    for score in scores:
        a, b = (score.values[name].get(metric) for name in (subject, reference))
        if a is not None and b is not None:
            by_task.setdefault(score.row.task, {}).setdefault(score.row.episode, []).append(a - b)
    if not by_task or min(map(len, by_task.values())) < 2:
        return None
    rng = np.random.default_rng(seed)
    total, count = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    for task in sorted(by_task):
        episodes = [np.array(values) for values in by_task[task].values()]
        drawn = rng.multinomial(len(episodes), np.full(len(episodes), 1 / len(episodes)), size=RESAMPLES)
        total += drawn @ np.array([values.sum() for values in episodes])
        count += drawn @ np.array([len(values) for values in episodes])
    means = total / count
    observed = float(np.concatenate([v for episodes in by_task.values() for v in episodes.values()]).mean())
    low, high = np.quantile(means, [0.025, 0.975])
    wrong = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p = min(1.0, 2 * max(wrong, 1) / RESAMPLES)
    return Difference(observed, float(low), float(high), p, sum(map(len, by_task.values())))
