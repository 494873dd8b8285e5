"""results.md of a study: its tables, and the paper's Table 1 with what was measured here beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from training.evaluation.curves import value_label
from training.evaluation.paper import OTHER_WORK, TABLE_1
from training.evaluation.report import (
    CAPTION,
    HEADLINE,
    METRICS,
    measured_metrics,
    table_header,
    table_rows,
    tables_text,
)
from training.evaluation.words.tables import words_tables

TABLE_1_NOTE = (
    "Other data, so no comparison of models: the paper's numbers are from the authors' RoboTwin renderings, ours from "
    f"the dataset named above. {OTHER_WORK}."
)
TABLE_1_HEADER = ("row of Table 1", "task", "paper: SSIM / PSNR", "here: SSIM / PSNR", "here: copying")


def table_1_rows(results: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Table 1 row by row: the paper's numbers, ours or why there are none, and copying on our data."""
    tasks = results["scores"]["tasks"]
    for name, by_task in TABLE_1.items():
        entry = results["table_1"].get(name, {})
        subject = entry.get("predictor")
        for task, (ssim, psnr) in by_task.items():
            if subject and task in tasks:
                here = _scores(tasks[task][subject])
            else:
                here = f"not measured here: needs {entry.get('needs') or 'a study that names a predictor for it'}"
            copying = _scores(tasks[task]["copying"]) if task in tasks else "-"
            yield name, task, f"{ssim:.4f} / {psnr:.4f}", here, copying


def difference_rows(results: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Per predictor and metric its gain over copying, the 95 % interval and p."""
    for name, metrics in results["differences"].items():
        for metric, each in metrics.items():
            heading, digits = METRICS[metric]
            interval = f"{each['low']:+.{digits}f} to {each['high']:+.{digits}f}"
            p = f"{each['p']:.4f}" if each["p"] > 0.0002 else "< 0.001"
            yield name, heading, f"{each['mean']:+.{digits}f}", interval, p


DIFFERENCE_HEADER = ("predictor", "metric", "gain over copying", "95 % interval", "p")


def curve_rows(results: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Per curve, value and predictor the scores."""
    for title, points in results["curves"].items():
        for point in points:
            cells = point["part"][point["predictor"]]
            label = value_label(point["value"])
            yield title, label, point["predictor"], str(point["part"]["pairs"]), _scores(cells)


CURVE_HEADER = ("curve", "value", "predictor", "pairs", "SSIM / PSNR")


def comparison_text(results: dict[str, Any]) -> str:
    """The whole results.md."""
    parts = [f"# {results['title']}", f"{facts_text(results)} {CAPTION}"]
    return "\n\n".join(parts) + "\n" + tables_text(tables(results))


def tables(results: dict[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...], list[tuple[str, ...]]]]:
    """Yields heading, note, first row and other rows of every table that the study has."""
    summary, metrics = results["scores"], measured_metrics(results["scores"])
    yield "Scores", "", table_header(HEADLINE), list(table_rows(summary, HEADLINE))
    heading = "Where things move, sharpness, and the red block"
    yield heading, "", table_header(metrics[2:]), list(table_rows(summary, metrics[2:]))
    note = "Paired bootstrap over episodes, all pairs."
    yield "Gain over copying", note, DIFFERENCE_HEADER, list(difference_rows(results))
    if "words" in results:
        yield from words_tables(results["words"])
    if results["curves"]:
        yield "Curves", "", CURVE_HEADER, list(curve_rows(results))
    if results["table_1"]:
        yield "Beside the paper's Table 1", TABLE_1_NOTE, TABLE_1_HEADER, list(table_1_rows(results))


def facts_text(results: dict[str, Any]) -> str:
    """Data, split, counts and hardware in a few sentences."""
    dataset, hardware, overall = results["dataset"], results["hardware"], results["scores"]["overall"]
    seconds = dataset["horizon"] * dataset["step_duration"]
    times = ", ".join(f"{name} {value * 1000:.0f}" for name, value in results["seconds_per_prediction"].items())
    return (
        f"{overall['pairs']} pairs from {overall['episodes']} episodes of the {results['split']} split (of "
        f"{dataset['pairs']} pairs; split seed {dataset['split_seed']}), "
        f"{dataset['horizon']} steps ({seconds:g} s) ahead. SSIM and PSNR by scikit-image on uint8 "
        "RGB. Milliseconds per prediction on "
        f"{hardware['accelerator'] or hardware['processor']} ({hardware['cores']} cores): {times}."
    )


def _scores(part: dict[str, Any]) -> str:
    return f"{part['ssim']['mean']:.4f} / {part['psnr']['mean']:.4f}"
