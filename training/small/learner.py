"""The small model in training: text encoder and UNet jointly, on cached latents of the linear autoencoder."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTokenizer

from framepred_ros.prediction.loading import build_pipeline
from framepred_ros.prediction.predictor import coarse_channels
from training.small.fitted import fitted_autoencoder
from training.small.loss import VelocityLoss, add_noise
from training.small.model import build_scheduler, build_text_encoder, build_unet
from training.small.rebasing import rebase
from training.small.start import copy_weights, forget_words, load_start
from training.small.tokenizer import train_tokenizer
from training.trainer.drawn_conditions import drawn_conditions
from training.trainer.latent_cache import cache_latents, drawn_latents, tokenize
from training.trainer.learner import Parts
from training.trainer.models import SmallModel
from training.trainer.pair_table import PairTable
from training.trainer.recipe import Recipe
from training.trainer.sampler import Draw, Noise, draw_noise


class DenoisingModel(torch.nn.Module):
    """Text encoder and UNet as one module, so that distributed training wraps and synchronises them together."""

    def __init__(self, unet, text_encoder):
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder

    def forward(
        self,
        noisy: torch.Tensor,
        condition: torch.Tensor,
        timesteps: torch.Tensor,
        tokens: torch.Tensor,
        horizons: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Predicts v (N, C, h, w).

        Args:
            noisy: latents (N, C, h, w).
            condition: the current frame's latents, and the past's channels if the model takes one.
            timesteps, tokens: (N,) and (N, L).
            horizons: (N,), if the model takes one.
        """
        embeddings, sample = self.text_encoder(tokens)[0], torch.cat([noisy, condition], dim=1)
        return self.unet(sample, timesteps, embeddings, class_labels=horizons, return_dict=False)[0]


@dataclass(frozen=True)
class Batch:
    """Latents of current and future frame (N, C, h, w), tokens (N, L), conditions, and the random numbers.

    `condition` is `current` and the past's channels; `horizons` is (N,), or None for a model that takes none.
    """

    current: torch.Tensor
    condition: torch.Tensor
    future: torch.Tensor
    tokens: torch.Tensor
    horizons: torch.Tensor | None
    noise: Noise


class SmallLearner:
    """See `training.trainer.learner.Learner`.

    A new one starts from the checkpoint in `weights`, or, for None, has random weights that follow from the recipe's
    seed and a tokenizer of the instructions; `relearn_words` and `refit` say what is new all the same. Raises
    WeightsError if the checkpoint cannot be loaded.
    """

    def __init__(self, recipe: Recipe, instructions: Sequence[str], weights: Path | None = None):
        self.recipe, self.options, self.conditions = recipe, recipe.model, recipe.model.conditions
        self.scheduler = build_scheduler()
        self.start = load_start(weights, self.options) if weights else None
        kept = None if self.options.refit or self.options.relearn_words else self.start
        self.tokenizer = kept.tokenizer if kept else _new_tokenizer(self.options, instructions)
        set_seed(recipe.seed)
        self.latent_size = tuple(side // self.options.autoencoder.patch_size for side in recipe.resolution)
        self.model = _build_model(self.options, self.tokenizer, self.latent_size)
        if self.start:
            copy_weights(self.start, self.model.text_encoder if kept else None, self.model.unet)
            if not kept:
                forget_words(self.model.unet, self.start)
        self._template = copy.deepcopy(self.model)  # as it is before training wraps or shards it

    def prepare(self, table: PairTable, output: Path, accelerator: Accelerator) -> None:
        """See `Learner`. The autoencoder is fitted first, unless the start or the output folder has one."""
        if accelerator.device.type == "cpu":
            # PyTorch's fused attention is slow in the backward pass for such short sequences on a CPU.
            self.model.unet.set_attn_processor(AttnProcessor())
            self.model.text_encoder.set_attn_implementation("eager")
        self.table, self.device = table, accelerator.device
        fitted = self.start is None or self.options.refit
        vae = fitted_autoencoder(self.recipe, table, output) if fitted else self.start.vae
        if self.options.refit:
            rebase(self.model.unet, self.start.vae, vae, self.conditions)
        self.parts = Parts(vae, self.model.text_encoder, self.tokenizer, self.model.unet)
        self.latents = cache_latents(
            output / "cache", table.frames, vae, self.recipe.resolution, mirrored=self.recipe.data.mirror
        )
        self.tokens = tokenize(self.tokenizer, table.instructions)
        self.empty = tokenize(self.tokenizer, [""]).to(self.device)
        self.velocity_loss = VelocityLoss(vae, self.options.loss).to(self.device)

    def load(self, draw: Draw) -> Batch:
        """See `Learner`."""
        current, future = (drawn_latents(self.latents, each, draw.mirrored) for each in (draw.current, draw.future))
        condition, horizons = drawn_conditions(self.conditions, draw, self.latents, current)
        steps, last = self.scheduler.config.num_train_timesteps, self.options.loss.last_timestep_fraction
        noise = draw_noise(draw.seeds, current.shape[1:], steps, last)
        return Batch(current, condition, future, self.tokens[torch.from_numpy(draw.instructions)], horizons, noise)

    def loss(self, model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `Learner`."""
        current, condition, future, tokens = (
            each.to(self.device) for each in (batch.current, batch.condition, batch.future, batch.tokens)
        )
        horizons = None if batch.horizons is None else batch.horizons.to(self.device)
        clean = future - coarse_channels(current, self.options.difference_channels)
        noisy = add_noise(clean, batch.noise, self.scheduler, self.options.loss)
        dropout = self.options.loss.conditioning_dropout
        text, condition = batch.noise.drop_conditions(tokens, self.empty, condition, dropout)
        predicted = model(noisy.noisy, condition, noisy.timesteps, text, horizons).float()
        psnr = self.velocity_loss.one_step_psnr(predicted.detach(), noisy)
        patches = self.velocity_loss.patch_weights(current, future)
        return self.velocity_loss(predicted, noisy, patches), {"one_step_psnr": psnr}

    def inputs(self, batch_size: int) -> tuple[torch.Tensor, ...]:
        """See `Learner`."""
        components, conditions = self.options.autoencoder.components, self.options.conditions
        latents, condition = (
            torch.zeros(batch_size, channels, *self.latent_size)
            for channels in (components, conditions.input_channels(components) - components)
        )
        tokens = torch.zeros(batch_size, self.options.text_encoder.max_length, dtype=torch.int64)
        arguments = latents, condition, torch.zeros(batch_size, dtype=torch.int64), tokens
        return arguments if conditions.horizons is None else (*arguments, torch.zeros(batch_size))

    def pipeline(self, weights: dict[str, torch.Tensor]):
        """See `Learner`."""
        model = copy.deepcopy(self._template)
        model.load_state_dict(weights)
        vae = copy.deepcopy(self.parts.vae).cpu()
        return build_pipeline(vae.half(), model.text_encoder.half(), self.tokenizer, model.unet.half(), self.scheduler)

    def checkpoint_settings(self) -> dict:
        """See `Learner`."""
        return {
            "steps": 1,
            "one_step_noise": self.options.loss.last_timestep_noise,
            "prediction_target": "difference",
            "difference_channels": self.options.difference_channels,
            **self.options.conditions.checkpoint_settings(),
        }


def _new_tokenizer(options: SmallModel, instructions: Sequence[str]) -> CLIPTokenizer:
    return train_tokenizer(instructions, options.tokenizer_merges, options.text_encoder.max_length)


def _build_model(options: SmallModel, tokenizer, latent_size: tuple[int, int]) -> DenoisingModel:
    text_encoder = build_text_encoder(tokenizer, options.text_encoder)
    unet = build_unet(
        options.unet, options.autoencoder.components, latent_size, options.text_encoder.hidden, options.conditions
    )
    return DenoisingModel(unet, text_encoder)
