"""A study: which predictors to compare on which pairs, and which curves to draw, from a YAML file."""

from __future__ import annotations

from dataclasses import field, replace
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from training.evaluation.paper import TABLE_1
from training.evaluation.predictors.specs import STRICT, CopyingSpec, Spec

REFERENCE = "copying"
"""The predictor that every study contains and that all others are compared with."""


@dataclass(frozen=True, config=STRICT)
class Curve:
    """Scores of predictors against something that varies.

    Attributes:
        title: heading, and name of the picture.
        predictors: names of the study's predictors, one line each.
        vary: an option of the predictors, or "phrasing" ("seen", "unseen"), "horizon" (steps), or "dataset".
        values: the option's values; for "dataset" a folder by label, such as {10: data/horizon10}.
        pairs_per_task: of the evenly drawn pairs; None is the study's number.
    """

    title: str
    predictors: tuple[str, ...]
    vary: Literal[
        "steps", "samples", "guidance_scale", "image_guidance_scale", "lookback", "phrasing", "horizon", "dataset"
    ]
    values: tuple[float | str, ...] | dict[float | str, Path]
    pairs_per_task: PositiveInt | None = None

    def __post_init__(self):
        if isinstance(self.values, dict) != (self.vary == "dataset"):
            raise ValueError("values must be folders by label for vary: dataset, and a list for everything else")


@dataclass(frozen=True, config=STRICT)
class TableRow:
    """A row of the paper's Table 1: the `predictor` that stands for it, or what a measurement `needs`."""

    predictor: str | None = None
    needs: str | None = None

    def __post_init__(self):
        if (self.predictor is None) == (self.needs is None):
            raise ValueError("give either predictor or needs")


@dataclass(frozen=True, config=STRICT)
class Study:
    """What `training.compare` does.

    Attributes:
        title: of the report.
        dataset: folder written by training.build_dataset.
        split: of the dataset.
        pairs_per_task: evenly drawn; None is all.
        predictors: by name; copying is added where missing.
        featured: the predictor whose worst and best cases, grid and animations are shown.
        curves: see `Curve`.
        table_1: see `TableRow`, by the row's name in `paper.TABLE_1`; absent rows are "not measured here".
        ignore_horizon: measure checkpoints also on pairs that are another distance apart than theirs.
        batch_size: frames predicted at once.
        lpips: measure LPIPS too.
    """

    title: str
    dataset: Path
    predictors: dict[str, Spec]
    featured: str
    split: str = "test"
    pairs_per_task: PositiveInt | None = None
    curves: tuple[Curve, ...] = ()
    table_1: dict[str, TableRow] = field(default_factory=dict)
    ignore_horizon: bool = False
    batch_size: PositiveInt = 8
    lpips: bool = False

    def __post_init__(self):
        used = {self.featured, *(name for curve in self.curves for name in curve.predictors)}
        used |= {row.predictor for row in self.table_1.values() if row.predictor}
        unknown = sorted(used - {*self.predictors, REFERENCE})
        if unknown:
            raise ValueError(f"no predictor is named {', '.join(unknown)}")
        rows = sorted(set(self.table_1) - set(TABLE_1))
        if rows:
            raise ValueError(f"table_1 has no row {', '.join(rows)}; its rows are {', '.join(TABLE_1)}")
        if not isinstance(self.predictors.get(REFERENCE, CopyingSpec()), CopyingSpec):
            raise ValueError(f"the name {REFERENCE!r} is kept for the kind copying")


def read_study(path: Path, dataset: Path | None = None, pairs_per_task: int | None = None) -> Study:
    """Reads a study file.

    Args:
        dataset: replaces the study's, unless None.
        pairs_per_task: replaces the study's and bounds that of every curve, unless None.

    Raises ValueError in one line that names the file and every wrong field.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        study = TypeAdapter(Study).validate_python(values)
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ValueError(f"{path}: {'; '.join(_line(problem) for problem in error.errors())}") from None
    study = replace(study, predictors={REFERENCE: CopyingSpec()} | study.predictors, dataset=dataset or study.dataset)
    if pairs_per_task is None:
        return study
    curves = [
        replace(curve, pairs_per_task=min(curve.pairs_per_task or pairs_per_task, pairs_per_task))
        for curve in study.curves
    ]
    return replace(study, pairs_per_task=pairs_per_task, curves=tuple(curves))


def _line(problem: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where + ': ' if where else ''}{problem['msg'].removeprefix('Value error, ')}"
