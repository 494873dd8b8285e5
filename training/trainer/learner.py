"""What the trainer needs of a model to train it: the interface of the small and the pretrained one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from training.trainer.average import WeightAverage
from training.trainer.conditions import Conditions
from training.trainer.pair_table import PairTable
from training.trainer.sampler import Draw


@dataclass(frozen=True)
class Parts:
    """The models of a pipeline, float32."""

    vae: Any
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    unet: UNet2DConditionModel


class Learner(Protocol):
    """A model in training.

    Attributes:
        model: the module whose parameters that require gradients are trained; its `unet` is the UNet.
        parts: the models of the checkpoint's pipeline, of which `model` holds those that are trained; complete once
            prepared.
        conditions: what the model takes besides the current frame and the words.
        scheduler: the noise schedule of training and of the checkpoint.
        average: the trainer's average of the trained weights, or None; set before the first step.
    """

    model: torch.nn.Module
    parts: Parts
    conditions: Conditions
    scheduler: Any
    average: WeightAverage | None

    def prepare(self, table: PairTable, output: Path, accelerator: Accelerator) -> None:
        """Does what is done once before the first step: caches of all latents and instructions."""
        ...

    def load(self, draw: Draw) -> Any:
        """The drawn samples as a batch of tensors on the CPU. Runs in a thread beside training."""
        ...

    def loss(self, model: torch.nn.Module, batch: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The mean loss of a batch, and further scalars to log; `model` is `self.model` as wrapped for training."""
        ...

    def inputs(self, batch_size: int) -> tuple[torch.Tensor, ...]:
        """Arguments of `model` of the shapes and dtypes that a batch has, values aside."""
        ...

    def pipeline(self, weights: dict[str, torch.Tensor]):
        """The diffusers pipeline to save, float16, on the CPU, with these trained weights in place of the model's."""
        ...

    def checkpoint_settings(self) -> dict[str, Any]:
        """The fields of `CheckpointInfo` that say how to run the checkpoint."""
        ...
