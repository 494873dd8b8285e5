"""Validation: the checkpoint folder is written, opened as the node opens it, and measured on held-out episodes."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import torch
from safetensors import SafetensorError
from tqdm import tqdm

from framepred_ros.files import replacing_folder
from framepred_ros.prediction.checkpoint import CheckpointInfo, read_checkpoint_info, write_checkpoint_info
from framepred_ros.prediction.predictor import FramePredictor
from training.dataset.index import DatasetManifest, Row
from training.dataset.stored_pairs import read_frame
from training.evaluation.grid import write_grid
from training.evaluation.scoring.measure import (
    REFERENCES,
    MeasureOptions,
    checkpoint_subjects,
    merge,
    predict_row,
    score_rows,
)
from training.evaluation.scoring.scores import PairScore, Values, summarize
from training.trainer.learner import Learner
from training.trainer.model_card import format_summary, model_card
from training.trainer.recipe import Recipe, to_dict
from training.trainer.validation_log import has_converged, log_validation

CHECKPOINT, BEST = "checkpoint", "checkpoint-best"
BATCH_SIZE = 8

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Validation:
    """Writes and measures the checkpoint of a run.

    Args:
        dataset, output: folders of the dataset and of the run.
        rows: held-out pairs to measure on, at least one.
        device: torch's name of the device to predict on.
    """

    recipe: Recipe
    manifest: DatasetManifest
    dataset: Path
    output: Path
    learner: Learner
    rows: Sequence[Row]
    device: str
    _references: dict[str, list[Values]] = field(default_factory=dict, init=False, repr=False)

    def run(self, weights: dict[str, torch.Tensor], step: int) -> dict[str, Any]:
        """Writes `checkpoint/`, `validation/` and, if it scores best so far, `checkpoint-best/`.

        Returns the measured summary (`training.evaluation.scoring.scores.summarize`).
        """
        try:
            with replacing_folder(self.output / CHECKPOINT) as temporary:
                summary = self._write(temporary, weights, step)
        except SafetensorError as error:
            raise OSError(f"{self.output / CHECKPOINT} cannot be written: {error}") from error
        self._keep_best(summary)
        log_validation(self.output, step, summary)
        tqdm.write(f"step {step}\n{format_summary(summary)}")
        return summary

    def has_converged(self) -> bool:
        """Whether the recipe's patience is at its end."""
        return has_converged(self.output, self.recipe.validation.patience)

    def _write(self, folder: Path, weights: dict[str, torch.Tensor], step: int) -> dict[str, Any]:
        self.learner.pipeline(weights).save_pretrained(folder)
        _forget_origins(folder)
        info = self._info()
        write_checkpoint_info(folder, info)
        predictor = FramePredictor.from_pretrained(folder, device=self.device, engine="fast")  # compiling takes longer
        scores = self._measure(predictor)
        summary = summarize(scores)
        episodes = sorted({(row.task, row.episode) for row in self.rows})
        metrics = {"step": step, "validation": summary, "validation_episodes": episodes}
        write_checkpoint_info(folder, replace(info, metrics=metrics))
        megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        card = model_card(self.recipe, self.manifest, summary, step, megabytes)
        (folder / "README.md").write_text(card, encoding="utf-8")
        if (self.output / "loss.png").is_file():
            shutil.copy(self.output / "loss.png", folder)
        self._draw(predictor, scores, step)
        return summary

    def _measure(self, predictor: FramePredictor) -> list[PairScore]:
        """Scores of the checkpoint; those of copying and of the autoencoder's ceiling never change in a run."""
        options, values = MeasureOptions(batch_size=BATCH_SIZE), {}
        for name, subject in checkpoint_subjects(predictor, options).items():
            known = self._references.get(name)
            values[name] = score_rows(subject, self.rows, options) if known is None else known
            if name in REFERENCES:
                self._references[name] = values[name]
        return merge(self.rows, values)

    def _info(self) -> CheckpointInfo:
        return CheckpointInfo(
            resolution=self.recipe.resolution,
            horizon=self.manifest.horizon,
            step_duration=self.manifest.step_duration,
            compositing=self.recipe.compositing,
            tasks=tuple(self.manifest.tasks),
            recipe=to_dict(self.recipe),
            **self.learner.checkpoint_settings(),
        )

    def _draw(self, predictor: FramePredictor, scores, step: int) -> None:
        folder = self.output / "validation"
        folder.mkdir(exist_ok=True)
        write_grid(
            folder / f"step_{step:06d}.png",
            scores,
            lambda row: predict_row(predictor, row, MeasureOptions()),
            f"{self.manifest.horizon} steps",
        )
        if self.recipe.validation.image is None:
            return
        image = self.dataset / self.recipe.validation.image  # an absolute path stays one
        if not image.is_file():
            logger.warning("validation.image %s is not there; the held-out pairs are drawn without it", image)
            return
        predicted = predictor.predict(read_frame(image), self.rows[0].prompt)
        cv2.imwrite(str(folder / f"image_{step:06d}.png"), predicted[:, :, ::-1])

    def _keep_best(self, summary: dict[str, Any]) -> None:
        """Copies the checkpoint if none has scored a higher SSIM over all validation pairs."""
        best = self.output / BEST
        if best.is_dir() and score(summary) <= score(read_checkpoint_info(best).metrics["validation"]):
            return
        with replacing_folder(best) as temporary:
            shutil.copytree(self.output / CHECKPOINT, temporary)


def _forget_origins(folder: Path) -> None:
    """Takes from the models' configurations where they were loaded from: a folder of this machine is none elsewhere."""
    for path in folder.glob("*/config.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        if "_name_or_path" in config:
            del config["_name_or_path"]
            path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def score(summary: dict[str, Any]) -> float:
    """What makes one checkpoint better than another: the mean SSIM over all validation pairs."""
    return summary["overall"]["prediction"]["ssim"]["mean"]
