"""Noising and the training loss of the small model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler

from framepred_ros.patch_autoencoder import PatchAutoencoder
from training.trainer.models import Loss
from training.trainer.sampler import Noise

CHANGE = 6 / 127.5  # root mean square over a patch's pixels, in [-1, 1], from which it counts as changed


@dataclass(frozen=True)
class NoisyBatch:
    """Noisy latents (N, C, h, w), timesteps (N,), the v to predict (N, C, h, w), and which are at the last timestep."""

    noisy: torch.Tensor
    timesteps: torch.Tensor
    velocity: torch.Tensor
    at_last: torch.Tensor


def add_noise(clean: torch.Tensor, drawn: Noise, scheduler: DDIMScheduler, options: Loss) -> NoisyBatch:
    """Noises the clean latents (N, C, h, w) as the scheduler's timesteps ask.

    At the last timestep of a zero-terminal-SNR schedule the sample is pure noise and v is minus the clean sample: the
    squared error there is a regression to the conditional mean, which is what one sampling step returns. Noise carries
    nothing there, so `options.last_timestep_noise` may leave it out.
    """
    timesteps, noise = drawn.timesteps.to(clean.device), drawn.noise.to(clean.device)
    at_last = timesteps == scheduler.config.num_train_timesteps - 1
    if not options.last_timestep_noise:
        noise = noise * ~at_last[:, None, None, None]
    return NoisyBatch(
        noisy=scheduler.add_noise(clean, noise, timesteps),
        timesteps=timesteps,
        velocity=scheduler.get_velocity(clean, noise, timesteps),
        at_last=at_last,
    )


class VelocityLoss(torch.nn.Module):
    """Weighted squared error of v in latents, plus absolute error in pixels.

    The autoencoder is linear with orthonormal components, so the error of v decodes to a pixel error patch by patch
    without any convolution.
    """

    def __init__(self, vae: PatchAutoencoder, options: Loss):
        super().__init__()
        std = vae.std.detach().float()
        self.l1_weight, self.still_weight = options.l1_weight, options.still_weight
        self.values = vae.components[0].numel()
        self.register_buffer("variance", std.square())
        self.register_buffer("weights", std**options.channel_weight_power / (std**options.channel_weight_power).sum())
        self.register_buffer("decoder", vae.components.detach().float().flatten(1) * std[:, None])

    def forward(self, predicted: torch.Tensor, batch: NoisyBatch, patches: torch.Tensor | None = None) -> torch.Tensor:
        """Mean loss of a batch.

        Args:
            predicted: v (N, C, h, w), float32.
            patches: the patches' weights (N, 1, h, w), from `patch_weights`; None weighs all alike.
        """
        error = predicted - batch.velocity
        squares = error.square() if patches is None else error.square() * patches
        loss = (squares.mean(dim=(0, 2, 3)) * self.weights).sum()
        if self.l1_weight:
            # In units of the pixels' standard deviation, so that the weight means the same for any data.
            scale = (self.variance.sum() / self.values).sqrt()
            loss = loss + self.l1_weight * self._absolute_error(error, patches) / scale
        return loss

    @torch.no_grad()
    def patch_weights(self, current: torch.Tensor, future: torch.Tensor) -> torch.Tensor | None:
        """Weights (N, 1, h, w) of patches that change, and of those that do not, between latents (N, C, h, w)."""
        if self.still_weight == 1:
            return None
        squares = ((future - current).square() * self.variance[:, None, None]).sum(dim=1, keepdim=True) / self.values
        weights = torch.where(squares > CHANGE**2, 1.0, self.still_weight)
        return weights / weights.mean()

    def _absolute_error(self, error: torch.Tensor, patches: torch.Tensor | None) -> torch.Tensor:
        """Mean absolute error in pixels of an error in latents (N, C, h, w), with the patches' weights.

        Decoding D is linear: |De| = sign(De) . De = D'sign(De) . e, and D'sign(De) is the gradient too. So nothing of
        the pixels' size, which is eight times that of the latents, is kept for the backward pass or read in it.
        """
        error = error.permute(0, 2, 3, 1).flatten(0, 2)  # flat: else matmul copies the decoder for each row of the grid
        with torch.no_grad():
            signs = (error @ self.decoder).sign_()
            slope = (signs @ self.decoder.T).float()
            if patches is not None:
                slope *= patches.reshape(-1, 1)
        return (error * slope).sum() / signs.numel()

    @torch.no_grad()
    def one_step_psnr(self, predicted: torch.Tensor, batch: NoisyBatch) -> torch.Tensor:
        """PSNR in dB of one-step predictions within the span of the autoencoder; NaN without a last timestep."""
        error = (predicted - batch.velocity)[batch.at_last].square().mean(dim=(0, 2, 3))
        return 10 * torch.log10(4 * self.values / (error * self.variance).sum())
