"""Sampling that starts from the last prediction instead of from noise."""

from __future__ import annotations

import torch

from framepred_ros.prediction.guidance import is_guided
from framepred_ros.prediction.predictor import FramePredictor, coarse_channels
from framepred_ros.prediction.sampling import FastSampler


class WarmSampler(FastSampler):
    """Does only the last `kept` of the sampling steps, from the last prediction with the noise that belongs there.

    The first frame, and the first after `forget`, is sampled from noise in all steps. Every frame gets its own noise:
    with the same noise for all, what sampling leaves of it adds up. One frame at a time, without guidance.

    Raises:
        ValueError: the checkpoint has guidance, or takes a horizon or a past.
    """

    def __init__(self, predictor: FramePredictor, kept: int):
        if is_guided(predictor.info):
            raise ValueError("the warm start is measured without guidance; take a checkpoint without it")
        if predictor.info.horizons or predictor.history:
            raise ValueError("the warm start is measured without a horizon and a past; take a checkpoint without them")
        parts = predictor.vae, predictor.text_encoder, predictor.tokenizer, predictor.unet, predictor.scheduler
        super().__init__(*parts, predictor.info)
        self.kept = kept
        self.forget()

    def forget(self) -> None:
        """Starts anew, as at the beginning of an episode."""
        self._future: torch.Tensor | None = None

    def sample(self, pixels, instructions, steps, seed, horizons=None, past=None):
        """See `framepred_ros.prediction.sampling.Sampler.sample`."""
        if self._future is None:
            self._generator = torch.Generator().manual_seed(seed)
            current, latents = super().sample(pixels, instructions, steps, seed)
        else:
            current = self.vae.encode(pixels).latent_dist.mode()
            latents = self._refine(current, self.embed(instructions[0]), steps)
        self._future = latents + self._base(current)
        return current, latents

    def _refine(self, current: torch.Tensor, embedding: torch.Tensor, steps: int) -> torch.Tensor:
        self.scheduler.set_timesteps(steps, device=current.device)
        timesteps = self.scheduler.timesteps[-self.kept :]
        noise = torch.randn(current.shape, generator=self._generator).to(current)
        latents = self.scheduler.add_noise(self._future - self._base(current), noise, timesteps[:1])
        for timestep in timesteps:
            output = self.unet(torch.cat([latents, current], dim=1), timestep, embedding, return_dict=False)[0]
            latents = self.scheduler.step(output, timestep, latents, return_dict=False)[0]
        return latents

    def _base(self, current: torch.Tensor) -> torch.Tensor:
        """What sampled latents are relative to, in the scheduler's scale."""
        if self.info.prediction_target == "future":
            return torch.zeros_like(current)
        return coarse_channels(current, self.info.difference_channels) * self.vae.config.scaling_factor
