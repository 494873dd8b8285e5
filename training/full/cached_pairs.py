"""The training pairs as cached latents and embeddings, for learners whose autoencoder and text encoder are frozen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.full.objective import Batch
from training.trainer.conditions import Conditions
from training.trainer.drawn_conditions import drawn_conditions
from training.trainer.latent_cache import cache_embeddings, cache_latents, drawn_latents
from training.trainer.learner import Parts
from training.trainer.pair_table import PairTable
from training.trainer.recipe import Recipe
from training.trainer.sampler import Draw, draw_noise


class CachedPairs:
    """Fills the caches in `folder`, or uses what is there; autoencoder and text encoder leave the device again."""

    def __init__(
        self,
        recipe: Recipe,
        parts: Parts,
        table: PairTable,
        folder: Path,
        device: torch.device,
        conditions: Conditions,
    ):
        # The reference script computes these in 16 bits, too. float16 has finer steps than bfloat16.
        dtype = np.float32 if recipe.run.mixed_precision == "no" else np.float16
        self.conditions = conditions
        self.channels = parts.vae.config.latent_channels
        vae, text_encoder = parts.vae.to(device), parts.text_encoder.to(device)
        self.latents = cache_latents(folder, table.frames, vae, recipe.resolution, dtype, recipe.data.mirror)
        self.embeddings = cache_embeddings(folder, [*table.instructions, ""], parts.tokenizer, text_encoder, dtype)
        vae.cpu()
        text_encoder.cpu()

    def load(self, draw: Draw, timesteps: int, last_fraction: float) -> Batch:
        """The drawn samples on the CPU; `timesteps` and `last_fraction` are those of `draw_noise`."""
        current, future = (drawn_latents(self.latents, each, draw.mirrored) for each in (draw.current, draw.future))
        current = current[:, : self.channels]
        condition, horizons = drawn_conditions(self.conditions, draw, self.latents, current)
        mean, std = future[:, : self.channels], future[:, self.channels :]
        return Batch(
            mean=mean,
            std=std if std.shape[1] else torch.zeros_like(mean),  # a deterministic autoencoder's is not cached
            current=current,
            condition=condition,
            horizons=horizons,
            text=torch.from_numpy(self.embeddings[draw.instructions]).float(),
            empty=torch.tensor(self.embeddings[-1:], dtype=torch.float32),
            noise=draw_noise(draw.seeds, mean.shape[1:], timesteps, last_fraction),
        )


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The same batch on a device."""
    moved = {name: value.to(device) for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}
    noise = type(batch.noise)(**{name: value.to(device) for name, value in vars(batch.noise).items()})
    return replace(batch, **moved, noise=noise)


def denoiser_inputs(parts: Parts, resolution: tuple[int, int], batch_size: int) -> tuple[torch.Tensor, ...]:
    """Arguments of the UNet of the shapes that a batch has: input channels, timesteps, embeddings, and horizons."""
    unit = 2 ** (len(parts.vae.config.block_out_channels) - 1)
    height, width = (side // unit for side in resolution)
    text = parts.text_encoder.config
    arguments = (
        torch.zeros(batch_size, parts.unet.config.in_channels, height, width),
        torch.zeros(batch_size, dtype=torch.int64),
        torch.zeros(batch_size, text.max_position_embeddings, text.hidden_size),
    )
    return arguments if parts.unet.config.class_embed_type is None else (*arguments, torch.zeros(batch_size))
