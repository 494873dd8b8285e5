"""Results as files: results.json, results.md with the tables, pairs.csv with the scores of every pair."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.table import Table

from framepred_ros.files import write_text
from training.dataset.index import DatasetManifest
from training.evaluation.scoring.labels import subject_label
from training.evaluation.scoring.scores import PairScore
from training.evaluation.words.tables import Table as TextTable
from training.evaluation.words.tables import words_tables

METRICS = {
    "ssim": ("SSIM", 4),
    "psnr": ("PSNR (dB)", 2),
    "ssim_moving": ("SSIM, moving", 3),
    "psnr_moving": ("PSNR, moving", 2),
    "ssim_still": ("SSIM, still", 3),
    "psnr_still": ("PSNR, still", 2),
    "sharpness": ("sharpness", 2),
    "block_error": ("block error (px)", 1),
    "block_missing": ("block missing", 2),
    "lpips": ("LPIPS", 3),
    "diversity": ("diversity", 2),
    "fallback": ("fallback", 2),
}
"""Heading and digits of every metric, in the order of the columns."""

HEADLINE = ("ssim", "psnr")
CAPTION = (
    "Mean ± standard error, clustered by episode. Copying: the current frame taken as the prediction, what a "
    "prediction must beat. Autoencoder ceiling: the true future frame after the autoencoder's round trip, the bound of "
    "plain decoding."
)
_PACKAGES = ("torch", "diffusers", "transformers", "scikit-image", "opencv-python-headless", "numpy", "framepred_ros")


def environment(device: str) -> dict[str, Any]:
    """Hardware and versions that a result depends on. `device` is torch's name of the device that predicted."""
    import torch

    accelerator = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    hardware = {"device": device, "accelerator": accelerator, "processor": _processor(), "cores": os.cpu_count()}
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"hardware": hardware, "versions": versions}


def dataset_facts(folder: Path, manifest: DatasetManifest, split: str) -> dict[str, Any]:
    """What a reader must know of the data."""
    return {
        "folder": str(folder),
        "source": manifest.source,
        "horizon": manifest.horizon,
        "step_duration": manifest.step_duration,
        "split_seed": manifest.seed,
        "pairs": manifest.splits[split]["pairs"],
    }


def table_header(metrics: Sequence[str]) -> tuple[str, ...]:
    """The cells of the results table's first row."""
    return ("task", "", *(METRICS[metric][0] for metric in metrics))


def table_rows(summary: dict[str, Any], metrics: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The results table as text, row by row: one per task and subject, then over all pairs, then the tasks' mean."""
    parts = {**summary["tasks"], "all pairs": summary["overall"], "mean of tasks": summary["macro"]}
    for task, part in parts.items():
        first = iter((task, f"{part['pairs']} pairs", f"{part['episodes']} episodes"))
        for subject in subjects(part):
            cells = (_cell(part[subject].get(metric), METRICS[metric][1]) for metric in metrics)
            yield next(first, ""), subject_label(subject), *cells


def subjects(part: dict[str, Any]) -> list[str]:
    """Names of what was measured, from a part of `summarize`."""
    return [name for name in part if name not in ("pairs", "episodes")]


def measured_metrics(summary: dict[str, Any]) -> list[str]:
    """The metrics that some subject has, in the order of the columns."""
    part = summary["overall"]
    return [metric for metric in METRICS if any(metric in part[name] for name in subjects(part))]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all but the first two columns are aligned to the right."""
    rule = ["---" if index < 2 else "---:" for index in range(len(header))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows)) + "\n"


def tables_text(tables: Iterable[TextTable]) -> str:
    """Tables with their headings and notes in Markdown."""
    parts = []
    for heading, note, header, rows in tables:
        parts += [f"## {heading}", note, markdown_table(header, rows).rstrip() if rows else ""]
    return "\n" + "\n\n".join(part for part in parts if part) + "\n"


def console_table(summary: dict[str, Any]) -> Table:
    """The headline metrics for the terminal."""
    table = Table(caption=CAPTION, caption_justify="left")
    for index, column in enumerate(table_header(HEADLINE)):
        table.add_column(column, justify="left" if index < 2 else "right", no_wrap=True)
    count = len(subjects(summary["overall"]))
    for index, row in enumerate(table_rows(summary, HEADLINE)):
        table.add_row(*row, end_section=(index + 1) % count == 0)
    return table


def write_results(out: Path, results: dict[str, Any], text: str, scores: Sequence[PairScore]) -> None:
    """Writes results.json, results.md and pairs.csv into `out`, which is made if need be."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "results.json", json.dumps(results, indent=2, default=str) + "\n")
    write_text(out / "results.md", text)
    write_text(out / "pairs.csv", _pairs_csv(scores))


def results_text(results: dict[str, Any]) -> str:
    """results.md of one evaluation."""
    dataset, hardware, summary = results["dataset"], results["hardware"], results["scores"]
    metrics = measured_metrics(summary)
    tables = [horizons_table(results["horizons"], dataset["step_duration"])] if "horizons" in results else []
    tables += words_tables(results["words"]) if "words" in results else []
    return f"""# {results["checkpoint"]} on the {results["split"]} split

{dataset["horizon"]} steps ({dataset["horizon"] * dataset["step_duration"]:g} s) ahead, at \
{results["resolution"][0]}x{results["resolution"][1]}. SSIM and PSNR by scikit-image on uint8 RGB. {CAPTION}

{markdown_table(table_header(HEADLINE), table_rows(summary, HEADLINE))}
{markdown_table(table_header(metrics[2:]), table_rows(summary, metrics[2:]))}
One prediction takes {results["seconds_per_prediction"]["single"] * 1000:.0f} ms on \
{hardware["accelerator"] or hardware["processor"]} ({hardware["cores"]} cores), \
{results["steps"] or "the default number of"} sampling steps, seed {results["seed"]}.
{tables_text(tables) if tables else ""}"""


def horizons_table(points: Sequence[dict[str, Any]], step_duration: float) -> TextTable:
    """Scores over the horizon, one row per horizon; `points` are `CurvePoint`s as dictionaries."""
    rows: dict[float, list[str]] = {}
    for point in points:
        steps, part = point["value"], point["part"]
        row = rows.setdefault(steps, [f"{steps:g}", f"{steps * step_duration:.2f}", str(part["pairs"])])
        row.append(" / ".join(_cell(part[point["predictor"]].get(metric), METRICS[metric][1]) for metric in HEADLINE))
    names = dict.fromkeys(point["predictor"] for point in points)
    header = ("steps ahead", "seconds", "pairs", *(f"{subject_label(name)}: SSIM / PSNR" for name in names))
    note = "The same current frames, as far as their episodes are long enough."
    return "Over the horizon", note, header, [tuple(row) for row in rows.values()]


def _cell(value: dict[str, float | None] | None, digits: int) -> str:
    if value is None:
        return "-"
    error = value["standard_error"]
    return f"{value['mean']:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def _pairs_csv(scores: Sequence[PairScore]) -> str:
    columns = [
        (subject, metric)
        for subject in scores[0].values
        for metric in METRICS
        if any(metric in score.values[subject] for score in scores)
    ]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        ["task", "episode", "frame", "prompt", "phrasing", *(f"{name}_{metric}" for name, metric in columns)]
    )
    for score in scores:
        row = score.row
        values = [score.values[name].get(metric) for name, metric in columns]
        cells = ["" if value is None else f"{value:.6f}" for value in values]
        writer.writerow([row.task, row.episode, row.frame, row.prompt, row.phrasing, *cells])
    return file.getvalue()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
