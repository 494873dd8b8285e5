"""What a run prints at its end: the scores of its best checkpoint, and the commands that use it."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from framepred_ros.prediction.checkpoint import read_checkpoint_info
from framepred_ros.tables import print_tables
from training.dataset.index import Row
from training.evaluation.predictors.retrieval import Retrieval
from training.evaluation.scoring.measure import MeasureOptions, score_rows
from training.trainer.run_log import read_log
from training.trainer.validation import BEST
from training.trainer.validation_log import FILE_NAME as SCORES_FILE
from training.trainer.validation_log import SCORES

MOST_NEIGHBOURS = 4000  # training pairs among which the nearest is looked for, evenly drawn

logger = logging.getLogger(__name__)


def report_outcome(output: Path, dataset: Path, training: Sequence[Row], validation: Sequence[Row]) -> None:
    """Prints what the best checkpoint of a run scored beside what needs no training, and the commands that use it.

    Args:
        output: folder of the run, with a checkpoint and its scores.
        dataset: the dataset's folder, for the commands.
        training, validation: pairs that were trained on, and those that validations measure on.
    """
    metrics = read_checkpoint_info(output / BEST).metrics
    overall = metrics["validation"]["overall"]
    means = {f"{BEST}, step {metrics['step']}": _means(overall["prediction"])}
    first = read_log(output / "validation" / SCORES_FILE)[0]
    if first["step"] == 0:
        means["the same before the first step"] = first["overall"]["prediction"]
    means["the nearest training pair's future"] = nearest = score_nearest(training, validation)
    means["copying the current frame"] = copying = _means(overall["copy"])
    if "reconstruction" in overall:
        means["the autoencoder's ceiling"] = _means(overall["reconstruction"])
    print_tables(_table(means, len(validation)), console=Console(stderr=True))
    reached = next(iter(means.values()))
    for name, reference in {"copying": copying, "the nearest training pair": nearest}.items():
        if reached["ssim"] <= reference["ssim"]:
            logger.info("no better than %s: docs/your_robot.md says what to do", name)
    checkpoint, folder = (output / BEST).resolve(), (output / "test").resolve()
    logger.info("measure it on episodes that no choice was made on:")
    logger.info(
        "  python -m training.evaluate --checkpoint %s --dataset %s --split test --out %s", checkpoint, dataset, folder
    )
    logger.info("run it on the robot:")
    logger.info("  ros2 launch framepred_ros predictor.launch.py checkpoint:=%s", checkpoint)


def score_nearest(training: Sequence[Row], validation: Sequence[Row]) -> dict[str, float]:
    """Mean scores of the future of the training pair whose frame and words are most alike, for the validation pairs."""
    every = -(-len(training) // MOST_NEIGHBOURS)
    values = score_rows(Retrieval(training, every), validation, MeasureOptions())
    return {score: statistics.fmean(each[score] for each in values) for score in SCORES}


def _means(cells: dict[str, dict[str, float]]) -> dict[str, float]:
    return {score: cells[score]["mean"] for score in SCORES}


def _table(means: dict[str, dict[str, float]], pairs: int) -> Table:
    numbers = (Column(label, justify="right") for label in SCORES.values())
    table = Table(Column(""), *numbers, title=f"on {pairs} validation pairs, never trained on", title_justify="left")
    for name, scores in means.items():
        table.add_row(name, f"{scores['ssim']:.3f}", f"{scores['psnr']:.2f}")
    return table
