"""Picture of monitor scores over time: one normal and one disturbed episode per task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from framepred_ros.pictures import save_figure

ROWS = (("ssim", "running SSIM", "lowest_ssim"), ("surprise", "surprise", "highest_surprise"))


def save_timelines(path: Path, timelines: Sequence[Any]) -> None:
    """Draw `benchmarks.monitor.Timeline`s: normal episodes thin, disturbed ones thick; triangles are first alerts.

    Writes a PNG under a temporary name and renames it.
    """
    from matplotlib.figure import Figure

    tasks = sorted({each.task for each in timelines})
    figure = Figure(figsize=(4.6 * len(tasks), 5.6), layout="constrained")
    axes = figure.subplots(len(ROWS), len(tasks), squeeze=False, sharey="row")
    for column, task in enumerate(tasks):
        for row, (name, label, limit) in enumerate(ROWS):
            _draw(axes[row][column], [each for each in timelines if each.task == task], name, limit)
            axes[row][0].set_ylabel(label)
        axes[0][column].set_title(task)
        axes[-1][column].set_xlabel("seconds of the episode")
    entries = {label: line for axis in axes.flat for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(entries.values(), entries.keys(), loc="outside upper center", ncols=len(entries))
    save_figure(figure, path)


def _draw(axis: Any, timelines: Sequence[Any], name: str, limit: str) -> None:
    styles = {"normal": ("tab:blue", 0.6, "normal"), "disturbed": ("tab:red", 1.4, "block taken away")}
    labelled = set()
    for each in timelines:
        if each.group not in styles:
            continue
        colour, width, label = styles[each.group]
        values = [running[name] for running in each.running]
        axis.plot(each.seconds, values, color=colour, linewidth=width, label=None if label in labelled else label)
        labelled.add(label)
        if each.alert is not None:
            axis.plot(each.alert, values[each.seconds.index(each.alert)], "v", color=colour, markersize=9, zorder=5)
        if each.removed is not None:
            axis.axvline(each.removed, color="tab:red", linewidth=0.6, linestyle=":")
    axis.axhline(getattr(timelines[0].limits, limit), color="black", linewidth=1, linestyle="--", label="learned limit")
