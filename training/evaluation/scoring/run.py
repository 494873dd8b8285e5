"""One predictor on one set of pairs, with its journal: the unit that evaluations and studies are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from training.dataset.index import DatasetError, DatasetManifest, Row, load_manifest, load_split
from training.dataset.stored_pairs import at_horizon, draw_evenly
from training.evaluation.predictors.base import Predictor
from training.evaluation.scoring.code_version import code_version
from training.evaluation.scoring.journal import Journal, file_stamps
from training.evaluation.scoring.measure import MeasureOptions, Process, check_horizon, score_rows
from training.evaluation.scoring.scores import Values


@dataclass(frozen=True)
class PairSet:
    """Pairs of a dataset's split; `phrasing` is None for the rows' own instructions."""

    dataset: Path
    manifest: DatasetManifest
    split: str
    rows: list[Row]
    phrasing: str | None = None

    @property
    def horizon(self) -> int:
        """Steps between the frames of a pair."""
        return self.rows[0].horizon or self.manifest.horizon


@dataclass(frozen=True)
class Workplace:
    """Where and how scores are made: `scores` is the folder of journals."""

    scores: Path
    options: MeasureOptions
    device: str = "auto"
    process: Process = Process()  # noqa: RUF009  (frozen)


def load_pairs(dataset: Path, split: str, per_task: int | None, phrasing: str | None = None) -> PairSet:
    """Evenly drawn pairs of a split, at most `per_task` of each task.

    Args:
        phrasing: "seen" or "unseen" replaces every instruction by one of its episode's phrasings of that kind.

    Raises:
        DatasetError: no such dataset or split, an empty split, or no phrasing of that kind.
    """
    manifest = load_manifest(dataset)
    rows = draw_evenly(load_split(dataset, split), per_task)
    if not rows:
        raise DatasetError(f"{dataset}: the split {split!r} has no pairs; build it from more episodes or longer ones")
    return PairSet(dataset, manifest, split, _rephrase(rows, manifest, phrasing) if phrasing else rows, phrasing)


def move_horizon(pairs: PairSet, horizon: int) -> PairSet:
    """The pairs of the same current frames at another horizon; see `at_horizon`.

    Raises:
        DatasetError: no episode is long enough.
    """
    rows = at_horizon(pairs.rows, pairs.manifest, horizon)
    if not rows:
        raise DatasetError(f"{pairs.dataset}: no pairs {horizon} steps apart in the split {pairs.split!r}")
    return replace(pairs, rows=rows)


def _rephrase(rows: Sequence[Row], manifest: DatasetManifest, phrasing: str) -> list[Row]:
    known = {(each.task, each.number): getattr(each, phrasing) for each in manifest.episodes}
    missing = sorted({f"{row.task}/episode{row.episode}" for row in rows if not known.get((row.task, row.episode))})
    if missing:
        raise DatasetError(f"there are no {phrasing} phrasings for {', '.join(missing[:5])}")
    chosen = []
    for row in rows:
        texts = known[row.task, row.episode]
        chosen.append(replace(row, prompt=texts[row.frame % len(texts)], phrasing=phrasing))
    return chosen


def score_spec(
    spec, pairs: PairSet, place: Workplace, label: str, ignore_horizon: bool = False
) -> tuple[list[Values], Predictor]:
    """Scores of a predictor (one of `specs.Spec`) in the order of the pairs, from its journal where it has them.

    Raises:
        HorizonMismatchError: the predictor's horizon is not the dataset's, unless `ignore_horizon`.
        DatasetError, OSError, ValueError: the predictor or a frame cannot be used; the message says why.
    """
    predictor = spec.make(pairs.dataset, pairs.manifest, place.device)
    if not ignore_horizon:
        check_horizon(predictor, pairs.manifest, pairs.horizon)
    journal = Journal(place.scores, identity(spec, pairs, place.options, predictor), place.process.number)
    hidden = True if place.process.number else None  # None: where there is no terminal
    with tqdm(total=len(pairs.rows), desc=label, unit="pair", disable=hidden) as bar:
        return score_rows(predictor, pairs.rows, place.options, journal, bar.update, place.process), predictor


def identity(spec, pairs: PairSet, options: MeasureOptions, predictor: Predictor) -> dict[str, Any]:
    """Everything that scores depend on. The batch size is not among it."""
    values = asdict(spec)
    stamps = {str(folder): file_stamps(folder) for folder in _folders(values)}
    content = hashlib.sha256(pairs.manifest.to_json().encode()).hexdigest()
    return {
        "code": code_version(),
        "predictor": values,
        "files": stamps,
        "arithmetic": _arithmetic(predictor),
        "dataset": content,
        "split": pairs.split,
        "phrasing": pairs.phrasing,
        "horizon": pairs.horizon,
        "size": options.size,
        "lpips": options.lpips,
    }


def _folders(values: dict[str, Any]) -> list[Path]:
    """The folders that a predictor's options name: its checkpoint, those of its tasks, or its pictures."""
    names = [values.get("checkpoint"), values.get("folder"), *values.get("checkpoints", {}).values()]
    return [folder for folder in map(_folder, names) if folder is not None]


def _arithmetic(predictor: Predictor) -> list[str]:
    """Number format, kind of device and engine of every model that predicts."""
    members = getattr(predictor, "predictors", {"": predictor}).values()
    models = [each.model for each in members if hasattr(each, "model") and hasattr(each.model, "sampler")]
    return [f"{model.dtype} {model.device.type} {type(model.sampler).__name__}" for model in models]


def _folder(name: str | Path | None) -> Path | None:
    if name == "shipped":
        from framepred_ros.prediction.checkpoint import shipped_checkpoint

        return shipped_checkpoint()
    return Path(name) if name is not None and Path(name).is_dir() else None
