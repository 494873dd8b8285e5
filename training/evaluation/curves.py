"""Curves: scores against sampling steps, guidance, phrasing or dataset, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from framepred_ros.pictures import save_figure

_LABELS = {
    "steps": "sampling steps",
    "guidance_scale": "guidance scale (instruction)",
    "image_guidance_scale": "guidance scale (current frame)",
    "horizon": "steps ahead",
    "dataset": "",  # the title says in what the datasets differ
}
_PANELS = (("ssim", "SSIM"), ("psnr", "PSNR (dB)"), ("psnr_moving", "PSNR, moving region (dB)"))


@dataclass(frozen=True)
class CurvePoint:
    """What one predictor reached at one value: `part` is a summary of `summarize` with the predictor as its subject."""

    value: float | str
    predictor: str
    part: dict[str, Any]


def value_label(value: float | str) -> str:
    """A value as people write it."""
    return value if isinstance(value, str) else f"{value:g}"


def draw_curve(path: Path, title: str, vary: str, points: Sequence[CurvePoint]) -> None:
    """Writes a PNG with a panel per metric and a line with standard errors per predictor."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    figure.suptitle(title, fontsize=11)
    values = list(dict.fromkeys(point.value for point in points))
    for axis, (metric, name) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
        for predictor in dict.fromkeys(point.predictor for point in points):
            line = [point for point in points if point.predictor == predictor and metric in point.part[predictor]]
            cells = [point.part[predictor][metric] for point in line]
            axis.errorbar(
                [values.index(point.value) for point in line],
                [cell["mean"] for cell in cells],
                yerr=[cell["standard_error"] or 0 for cell in cells],
                marker="o",
                capsize=3,
                label=predictor,
            )
        axis.set_xticks(range(len(values)), map(value_label, values))
        axis.set_xlabel(_LABELS.get(vary, vary))
        axis.set_ylabel(name)
        axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    save_figure(figure, path, dpi=110)
