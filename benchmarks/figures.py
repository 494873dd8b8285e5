"""The picture of a prediction benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.result import Result
from benchmarks.stages import STAGES
from framepred_ros.pictures import save_figure

AXES = {"steps": "sampling steps", "cameras": "cameras in one batch", "megapixels": "model's resolution, megapixels"}


def draw(path: Path, results: Sequence[Result], curves: dict[str, list[tuple[float, float]]]) -> None:
    """Writes a PNG: time per prediction of every path, on a logarithmic scale; our stages; and the curves."""
    figure = Figure(figsize=(12, 7), layout="constrained")
    above, below = figure.subfigures(2, 1)
    paths, stages = above.subplots(1, 2)
    _draw_paths(paths, results)
    _draw_stages(stages, [result for result in results if result.path.startswith("FramePredictor")])
    for axis, (name, points) in zip(below.subplots(1, len(curves)), curves.items(), strict=True):
        axis.plot(*zip(*((x, 1e3 * seconds) for x, seconds in points), strict=True), marker="o", color="tab:blue")
        axis.set(xlabel=AXES[name], ylabel="ms per call", ylim=(0, None))
    save_figure(figure, path, dpi=110)


def _draw_paths(axis, results: Sequence[Result]) -> None:
    labels = [f"{result.model}\n{result.path}" for result in results]
    bars = axis.barh(labels, [1e3 * result.timing.seconds for result in results], color="tab:blue")
    axis.bar_label(bars, fmt="{:,.0f}", padding=3)
    axis.set(xscale="log", xlabel="ms per prediction", title="time per prediction")
    axis.margins(x=0.3)
    axis.invert_yaxis()


def _draw_stages(axis, results: Sequence[Result]) -> None:
    start = [0.0] * len(results)
    for stage in STAGES:
        widths = [1e3 * result.timing.stages[stage] for result in results]
        axis.barh([f"{result.model}\n{result.path}" for result in results], widths, left=start, label=stage)
        start = [left + width for left, width in zip(start, widths, strict=True)]
    axis.set(xlabel="ms per prediction", title="FramePredictor: stages")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=len(STAGES) // 2, fontsize="small", frameon=False)
    axis.invert_yaxis()
