"""Results as files: results.json, results.md with the table, pairs.csv with the scores of every pair."""

from __future__ import annotations

import csv
import json
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from training.evaluation.measure import Measurement
from training.evaluation.scores import METRICS, SUBJECTS, PairScore

COLUMNS = ("task", "", "SSIM", "PSNR (dB)")
CAPTION = (
    "Mean ± standard error, clustered by episode. Copy: the current frame taken as the prediction, what a prediction "
    "must beat. Autoencoder: the true future frame after the autoencoder's round trip, the ceiling of plain decoding."
)
_LABELS = {"prediction": "prediction", "copy": "copy", "reconstruction": "autoencoder"}
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


def table_rows(summary: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The cells of the results table as text, row by row: three rows per task, then overall, then the tasks' mean."""
    parts = {
        **summary["tasks"],
        "all pairs": summary["overall"],
        "mean of tasks": summary["macro"],
    }
    for task, part in parts.items():
        first = iter((task, f"{part['pairs']} pairs", f"{part['episodes']} episodes"))
        for subject in SUBJECTS:
            yield next(first), _LABELS[subject], _cell(part[subject]["ssim"], 4), _cell(part[subject]["psnr"], 2)


def write_results(out: Path, facts: dict[str, Any], summary: dict[str, Any], measurement: Measurement) -> None:
    """Writes results.json, results.md and pairs.csv into `out`, which is made if need be."""
    out.mkdir(parents=True, exist_ok=True)
    times = {
        "single": measurement.seconds_per_prediction,
        "batched": measurement.seconds_per_prediction_batched,
    }
    results = {**facts, "seconds_per_prediction": times, "scores": summary}
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    (out / "results.md").write_text(_markdown(results), encoding="utf-8")
    _write_pairs(out / "pairs.csv", measurement.scores)


def _cell(value: dict[str, float | None], digits: int) -> str:
    error = value["standard_error"]
    return f"{value['mean']:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def _markdown(results: dict[str, Any]) -> str:
    dataset, hardware = results["dataset"], results["hardware"]
    lines = [
        f"# {results['checkpoint']} on the {results['split']} split",
        "",
        f"{dataset['horizon']} steps ({dataset['horizon'] * dataset['step_duration']:g} s) ahead, at "
        f"{results['resolution'][0]}x{results['resolution'][1]}. SSIM and PSNR by scikit-image on uint8 RGB. {CAPTION}",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---|---|---:|---:|",
        *("| " + " | ".join(row) + " |" for row in table_rows(results["scores"])),
        "",
        f"One prediction takes {results['seconds_per_prediction']['single'] * 1000:.0f} ms on "
        f"{hardware['accelerator'] or hardware['processor']} ({hardware['cores']} cores), "
        f"{results['steps'] or 'the default number of'} sampling steps, seed {results['seed']}.",
        "",
    ]
    return "\n".join(lines)


def _write_pairs(path: Path, scores: list[PairScore]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = [f"{subject}_{metric}" for subject in SUBJECTS for metric in METRICS]
        writer.writerow(["task", "episode", "frame", "prompt", "phrasing", *names])
        for score in scores:
            row = score.row
            values = [f"{score.values[subject][metric]:.6f}" for subject in SUBJECTS for metric in METRICS]
            writer.writerow([row.task, row.episode, row.frame, row.prompt, row.phrasing, *values])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
