"""The choice of a checkpoint's compositing by what it scores on the run's validation episodes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from matplotlib.figure import Figure

from framepred_ros.pictures import save_figure
from framepred_ros.prediction.checkpoint import CheckpointInfo
from framepred_ros.prediction.compositing import Compositing
from training.dataset.index import DatasetError, Row, load_split
from training.dataset.stored_pairs import draw_evenly
from training.evaluation.predictors.checkpoint import CheckpointPredictor
from training.evaluation.scoring.measure import MeasureOptions, score_rows
from training.trainer.validation_episodes import hold_out, last_episodes

VALUES: dict[str, tuple[float, ...]] = {
    "threshold": (3, 6, 9, 14),
    "softness": (4, 10, 16, 24),
    "smoothing": (0, 1, 2, 3),
    "dilation": (0, 2, 4),
    "feather": (0, 1, 2),
    "denoising": (0, 20, 40, 60, 80),
    "denoising_radius": (6, 12),
}
"""What is tried of each option, one option after the other."""

ROUNDS = 2  # through all options, at most


@dataclass(frozen=True)
class Trial:
    """A compositing that differs from the best until then in one option, and its mean scores over the pairs."""

    option: str
    compositing: Compositing
    ssim: float
    psnr: float


def validation_rows(info: CheckpointInfo, dataset: Path, per_task: int) -> list[Row]:
    """Pairs of the episodes that a checkpoint's run validated on, evenly drawn.

    Checkpoints of earlier versions do not name them: they are the last ones of each task.

    Raises DatasetError if the dataset has none of these episodes.
    """
    rows = [row for row in load_split(dataset, "train") if row.task in info.tasks]
    named = info.metrics.get("validation_episodes")
    per_run = info.recipe.get("validation", {}).get("episodes_per_task", 2)
    episodes = last_episodes(rows, per_run) if named is None else {(task, number) for task, number in named}
    held_out = draw_evenly(hold_out(rows, episodes)[1], per_task)
    if not held_out:
        raise DatasetError(f"{dataset}: has none of the checkpoint's validation episodes; name what it was trained on")
    return held_out


def search(
    model, rows: Sequence[Row], start: Compositing, on_trial: Callable[[Trial], None] = lambda trial: None
) -> list[Trial]:
    """Tries values of one option after the other and keeps what scores the highest SSIM, until no change is better.

    Args:
        model: a `FramePredictor`; it predicts with the best one afterwards.
        rows: pairs to measure on.
        start: what is tried first.
        on_trial: called with each trial, for progress.

    Returns:
        all trials in their order, the start first; the best is the one of the highest SSIM.
    """

    def score(option: str, compositing: Compositing) -> Trial:
        model.info = replace(model.info, compositing=compositing)
        values = score_rows(CheckpointPredictor(model), rows, MeasureOptions())
        means = (statistics.fmean(each[name] for each in values) for name in ("ssim", "psnr"))
        trial = Trial(option, compositing, *means)
        on_trial(trial)
        return trial

    trials = [score("start", start)]
    for _ in range(ROUNDS):
        before = best_of(trials).compositing
        for option in VALUES:
            trials += [score(option, each) for each in _neighbours(best_of(trials).compositing, option)]
        if best_of(trials).compositing == before:
            break
    model.info = replace(model.info, compositing=best_of(trials).compositing)
    return trials


def best_of(trials: Sequence[Trial]) -> Trial:
    """The trial of the highest SSIM, the earliest of equal ones."""
    return max(trials, key=lambda trial: trial.ssim)


def plot_trials(trials: Sequence[Trial], path: Path) -> None:
    """Draws the SSIM of every trial over the option that it changed, a panel for each option."""
    figure = Figure(figsize=(14, 3), layout="constrained")
    best = best_of(trials)
    for axis, option in zip(figure.subplots(1, len(VALUES), sharey=True), VALUES, strict=True):
        points = [(asdict(trial.compositing)[option], trial.ssim) for trial in trials if trial.option == option]
        axis.plot(*zip(*sorted(points), strict=True), "o", markersize=4) if points else None
        axis.plot(asdict(best.compositing)[option], best.ssim, "*", color="black", markersize=10)
        axis.set(xlabel=option)
        axis.grid(alpha=0.3)
    figure.axes[0].set(ylabel="SSIM")
    save_figure(figure, path)


def _neighbours(start: Compositing, option: str) -> Iterator[Compositing]:
    """The start with the option's other values, as far as they go together with its other options."""
    for value in VALUES[option]:
        if value != getattr(start, option):
            kind = int if isinstance(getattr(start, option), int) else float
            try:
                yield replace(start, **{option: kind(value)})
            except ValueError:
                continue
