"""Scores over the horizon: the same current frames, and their futures at several distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from training.dataset.stored_pairs import draw_evenly
from training.evaluation.curves import CurvePoint
from training.evaluation.scoring.measure import merge
from training.evaluation.scoring.run import PairSet, Workplace, move_horizon, score_spec
from training.evaluation.scoring.scores import summarize


def measure_horizons(
    pairs: PairSet, horizons: Sequence[int], specs: Mapping[str, Any], place: Workplace, per_task: int
) -> list[CurvePoint]:
    """Scores of predictors at every horizon, which only pairs have whose episode is long enough.

    Args:
        horizons: in steps.
        specs: of the predictors, by name.
        per_task: at most so many pairs of each task at a horizon, evenly drawn.

    Raises:
        HorizonMismatchError: a predictor cannot be asked for one of the horizons.
        DatasetError: no episode is long enough for one of them.
    """
    points = []
    for horizon in horizons:
        there = move_horizon(pairs, horizon)
        there = replace(there, rows=draw_evenly(there.rows, per_task))
        for name, spec in specs.items():
            values, _ = score_spec(spec, there, place, f"{name}, {horizon} steps")
            points.append(CurvePoint(horizon, name, summarize(merge(there.rows, {name: values}))["overall"]))
    return points
