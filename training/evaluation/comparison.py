"""Carries out a study: scores, then everything that is made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from framepred_ros.tables import print_tables
from training.dataset.index import Row, load_split
from training.evaluation.animation import write_animation
from training.evaluation.bootstrap import Difference, paired_bootstrap
from training.evaluation.comparison_text import comparison_text
from training.evaluation.curves import CurvePoint, draw_curve
from training.evaluation.grid import write_grid
from training.evaluation.predictors.base import Predictor, read_pair
from training.evaluation.report import console_table, dataset_facts, environment, write_results
from training.evaluation.report_page import write_report
from training.evaluation.scoring.measure import MeasureOptions, merge, time_prediction
from training.evaluation.scoring.processes import this_process
from training.evaluation.scoring.run import PairSet, Workplace, load_pairs, move_horizon, score_spec
from training.evaluation.scoring.scores import PairScore, summarize
from training.evaluation.side_by_side import write_side_by_side
from training.evaluation.study import REFERENCE, Curve, Study
from training.evaluation.words.pictures import write_choices
from training.evaluation.words.run import Words, measure_words, words_results
from training.evaluation.words_viewer import words_viewer


@dataclass(frozen=True)
class Comparison:
    """All that was measured. `seconds` is the time of a single prediction per predictor."""

    study: Study
    pairs: PairSet
    predictors: dict[str, Predictor]
    scores: list[PairScore]
    summary: dict[str, Any]
    differences: dict[str, dict[str, Difference | None]]
    seconds: dict[str, float]
    curves: dict[str, list[CurvePoint]]
    words: Words | None = None


def compare(study: Study, out: Path, device: str = "auto") -> None:
    """Measures, and writes results.json, results.md, pairs.csv, report.html and pictures (docs/evaluation.md).

    Raises:
        HorizonMismatchError: a checkpoint's horizon is not the dataset's, and the study does not ignore that.
        DatasetError, OSError, ValueError: a predictor or a dataset cannot be used; the message says why.
    """
    options = MeasureOptions(batch_size=study.batch_size, lpips=study.lpips)
    place = Workplace(out / "scores", options, device, this_process(device))
    pairs = load_pairs(study.dataset, study.split, study.pairs_per_task)
    runs = {name: score_spec(spec, pairs, place, name, study.ignore_horizon) for name, spec in study.predictors.items()}
    asked = {name: (spec, runs[name][1]) for name, spec in study.predictors.items()}
    words = measure_words(pairs, asked, place, study.pairs_per_task)
    curves = {curve.title: _measure_curve(study, curve, place) for curve in study.curves}
    if place.process.number:
        return
    scores = merge(pairs.rows, {name: values for name, (values, _) in runs.items()})
    predictors = {name: predictor for name, (_, predictor) in runs.items()}
    middle = pairs.rows[len(pairs.rows) // 2]  # the first have no earlier frames, which some predictors need
    seconds = {name: time_prediction(each, middle, options) for name, each in predictors.items()}
    summary = summarize(scores)
    differences = _differences(scores, [name for name in predictors if name != REFERENCE])
    _write(out, Comparison(study, pairs, predictors, scores, summary, differences, seconds, curves, words))


def _differences(scores: Sequence[PairScore], names: Sequence[str]) -> dict[str, dict[str, Difference | None]]:
    metrics = ("ssim", "psnr", "ssim_moving", "psnr_moving")
    return {name: {metric: paired_bootstrap(scores, name, REFERENCE, metric) for metric in metrics} for name in names}


def _measure_curve(study: Study, curve: Curve, place: Workplace) -> list[CurvePoint]:
    points = []
    for value in curve.values:
        dataset = curve.values[value] if curve.vary == "dataset" else study.dataset
        phrasing = str(value) if curve.vary == "phrasing" else None
        pairs = load_pairs(dataset, study.split, curve.pairs_per_task or study.pairs_per_task, phrasing)
        if curve.vary == "horizon":
            pairs = move_horizon(pairs, int(value))
        for name in curve.predictors:
            spec = study.predictors[name]
            if curve.vary in {each.name for each in fields(spec)}:
                spec = replace(spec, **{curve.vary: value})
            label = f"{name}, {curve.vary} {value}"
            values, _ = score_spec(spec, pairs, place, label, study.ignore_horizon)
            points.append(CurvePoint(value, name, summarize(merge(pairs.rows, {name: values}))["overall"]))
    return points


def _write(out: Path, comparison: Comparison) -> None:
    study, pairs = comparison.study, comparison.pairs
    results = _results(comparison)
    write_results(out, results, comparison_text(results), comparison.scores)
    for index, curve in enumerate(study.curves):
        draw_curve(out / f"curve_{index + 1}.png", curve.title, curve.vary, comparison.curves[curve.title])

    def pictures_of(row: Row):
        featured = comparison.predictors[study.featured]
        pair = read_pair(row, None, featured.history)
        return pair.current, featured.predict([pair])[0].picture, pair.truth

    seconds = pairs.manifest.horizon * pairs.manifest.step_duration
    horizon = f"{pairs.manifest.horizon} steps ({seconds:g} s)"
    write_grid(out / "grid.png", comparison.scores, pictures_of, horizon, study.featured, REFERENCE)
    side_by_side = write_side_by_side(out, comparison.scores, comparison.predictors)
    _animate(out, comparison)
    curves = [out / f"curve_{index + 1}.png" for index in range(len(study.curves))]
    figures = {"Curves": curves, "Side by side": side_by_side}
    viewer = None
    if comparison.words and study.featured in comparison.words.values:
        options = MeasureOptions(batch_size=study.batch_size)
        featured = comparison.predictors[study.featured]
        write_choices(out / "words.png", comparison.words, study.featured, featured, options)
        viewer = words_viewer(comparison.words, comparison.predictors, study.featured, options)
    write_report(out, results, comparison.scores, comparison.predictors, study.featured, figures, viewer)
    print_tables(console_table(comparison.summary))
    print(f"Written to {out}: report.html, results.json, results.md, pairs.csv and pictures")


def _animate(out: Path, comparison: Comparison) -> None:
    """Writes `animation_{task}.gif` of the featured predictor over the first measured episode of each task."""
    pairs, predictor = comparison.pairs, comparison.predictors[comparison.study.featured]
    episodes = {row.task: row.episode for row in reversed(pairs.rows)}
    for task, episode in sorted(episodes.items()):
        rows = [row for row in load_split(pairs.dataset, pairs.split) if (row.task, row.episode) == (task, episode)]
        write_animation(out / f"animation_{task}.gif", predictor, rows, pairs.manifest.step_duration)


def _results(comparison: Comparison) -> dict[str, Any]:
    study, pairs = comparison.study, comparison.pairs
    model = getattr(comparison.predictors[study.featured], "model", None)
    results = {
        "title": study.title,
        "dataset": dataset_facts(pairs.dataset, pairs.manifest, pairs.split),
        "split": pairs.split,
        "pairs_per_task": study.pairs_per_task,
        "predictors": {name: asdict(spec) for name, spec in study.predictors.items()},
        "table_1": {name: asdict(row) for name, row in study.table_1.items()},
        **environment(str(model.device) if model else "cpu"),
        "seconds_per_prediction": comparison.seconds,
        "scores": comparison.summary,
        "differences": {
            name: {metric: asdict(each) for metric, each in metrics.items() if each}
            for name, metrics in comparison.differences.items()
        },
        "curves": {title: [asdict(point) for point in points] for title, points in comparison.curves.items()},
    }
    if comparison.words:
        results["words"] = words_results(comparison.words, pairs)
    return results
