"""A checkpoint of either size as a teacher."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from framepred_ros.prediction.checkpoint import CheckpointInfo, read_checkpoint_info
from framepred_ros.prediction.guidance import is_guided
from training.trainer.conditions import Conditions
from training.trainer.learner import Parts
from training.trainer.weights import WeightsError, open_weights

PREDICTION_TYPES = ("epsilon", "v_prediction")


@dataclass(frozen=True)
class Teacher:
    """A checkpoint: its models, float32 on the CPU and without gradients, its scheduler and its settings."""

    parts: Parts
    scheduler: Any
    info: CheckpointInfo


def load_teacher(folder: Path) -> Teacher:
    """Opens a checkpoint folder.

    Raises:
        WeightsError: it cannot be loaded, or predicts neither noise nor v.
    """
    pipeline = open_weights(folder)
    kind = pipeline.scheduler.config.get("prediction_type", "epsilon")
    if kind not in PREDICTION_TYPES:
        raise WeightsError(
            f"model.weights: {folder}/scheduler has prediction_type {kind}; only {' and '.join(PREDICTION_TYPES)} can "
            "be distilled"
        )
    vae, text_encoder, unet = (
        part.eval().requires_grad_(False) for part in (pipeline.vae, pipeline.text_encoder, pipeline.unet)
    )
    return Teacher(Parts(vae, text_encoder, pipeline.tokenizer, unet), pipeline.scheduler, read_checkpoint_info(folder))


def conditions_of(info: CheckpointInfo) -> Conditions:
    """The conditions that a model learns from a teacher: the teacher's own."""
    return Conditions(horizons=info.horizons, history=info.history, history_channels=info.history_channels)


def overrides_from(name: str, info: CheckpointInfo) -> list[str]:
    """What a recipe leaves to the teacher, as `key=value`: its weights, resolution and compositing."""
    compositing = asdict(info.compositing) if info.compositing else None
    values = {"model.weights": name, "resolution": info.resolution, "compositing": compositing}
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]


def check_worth(name: str, info: CheckpointInfo, steps: int) -> None:
    """Raises ValueError for a teacher that needs no more passes through its UNet than the distilled model would.

    Args:
        info: with the guidance that is to become part of the weights.
    """
    passes = info.steps * (3 if is_guided(info) else 1)
    if passes <= steps:
        raise ValueError(
            f"{name} needs {passes} passes through its UNet, and a model of {steps} steps would be no faster; take "
            "another teacher, fewer model.steps, or say --force to distil it as a model of many steps"
        )
