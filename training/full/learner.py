"""A pretrained UNet in training, whole or by adapters, on cached latents and embeddings."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from framepred_ros.prediction.loading import build_pipeline
from training.full.cached_pairs import CachedPairs, denoiser_inputs, to_device
from training.full.lora import add_adapters, merged
from training.full.objective import Batch, make_denoising, weighted_loss
from training.full.weights import load_parts, load_scheduler
from training.trainer.pair_table import PairTable
from training.trainer.recipe import Recipe
from training.trainer.sampler import Draw

HALF = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Denoiser(torch.nn.Module):
    """The UNet as a module whose arguments are tensors alone."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(
        self,
        sample: torch.Tensor,
        timesteps: torch.Tensor,
        text: torch.Tensor,
        horizons: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Predicts (N, C, h, w) from input channels (N, 2 C or more, h, w), timesteps (N,) and embeddings (N, L, D).

        Args:
            horizons: (N,), if the model takes one.
        """
        return self.unet(sample, timesteps, text, class_labels=horizons, return_dict=False)[0]


class PretrainedLearner:
    """See `training.trainer.learner.Learner`; starts from a folder. Raises WeightsError if it cannot be loaded."""

    def __init__(self, recipe: Recipe, folder: Path):
        self.recipe, self.options, self.conditions = recipe, recipe.model, recipe.model.conditions
        self.parts = load_parts(folder, self.conditions)
        self.scheduler = load_scheduler(folder, self.options.diffusion)
        self.model = Denoiser(self.parts.unet)
        if self.options.lora is not None:
            set_seed(recipe.seed)
            add_adapters(self.parts.unet, self.options.lora, HALF[recipe.run.mixed_precision])
        self._template = copy.deepcopy(self.model)  # as it is before training wraps or shards it

    def prepare(self, table: PairTable, output: Path, accelerator: Accelerator) -> None:
        """See `Learner`."""
        self.device = accelerator.device
        self.pairs = CachedPairs(self.recipe, self.parts, table, output / "cache", self.device, self.conditions)

    def load(self, draw: Draw) -> Batch:
        """See `Learner`."""
        steps, last = self.scheduler.config.num_train_timesteps, self.options.diffusion.last_timestep_fraction
        return self.pairs.load(draw, steps, last)

    def loss(self, model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `Learner`."""
        batch = to_device(batch, self.device)
        scaling = self.parts.vae.config.scaling_factor
        denoising = make_denoising(batch, self.scheduler, scaling, self.options.diffusion)
        predicted = model(denoising.sample, denoising.timesteps, denoising.text, batch.horizons)
        return weighted_loss(predicted, denoising), {}

    def inputs(self, batch_size: int) -> tuple[torch.Tensor, ...]:
        """See `Learner`."""
        return denoiser_inputs(self.parts, self.recipe.resolution, batch_size)

    def pipeline(self, weights: dict[str, torch.Tensor]):
        """See `Learner`. Adapters are merged."""
        model = copy.deepcopy(self._template)
        model.load_state_dict(weights, strict=False)  # the frozen weights are not among them
        unet = merged(model.unet) if self.options.lora else model.unet
        vae, text_encoder = (copy.deepcopy(part).half() for part in (self.parts.vae, self.parts.text_encoder))
        return build_pipeline(vae, text_encoder, self.parts.tokenizer, unet.half(), self.scheduler)

    def checkpoint_settings(self) -> dict:
        """See `Learner`."""
        sampling = self.options.sampling
        return {
            "steps": sampling.steps,
            "guidance_scale": sampling.guidance_scale,
            "image_guidance_scale": sampling.image_guidance_scale,
            "prediction_target": "future",
            **self.options.conditions.checkpoint_settings(),
        }
