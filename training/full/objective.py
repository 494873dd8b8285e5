"""The denoising objective of InstructPix2Pix, on cached latents.

With epsilon and no weighting it is, number for number, the step of diffusers'
examples/instruct_pix2pix/train_instruct_pix2pix.py (arXiv 2211.09800, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler, DDPMScheduler

from training.trainer.models import Diffusion
from training.trainer.sampler import Noise


@dataclass(frozen=True)
class Batch:
    """Cached values and random numbers of a batch.

    Attributes:
        mean, std: the posterior of the future frame's latents, (N, C, h, w), without the scaling factor.
        current: the mode of the current frame's latents, (N, C, h, w), likewise.
        condition: that and the past's channels, if the model takes a past.
        horizons: steps, float32 (N,), or None for a model that takes none.
        text: the instructions' embeddings (N, L, D).
        empty: the empty instruction's embedding (1, L, D).
        noise: the random numbers.
    """

    mean: torch.Tensor
    std: torch.Tensor
    current: torch.Tensor
    condition: torch.Tensor
    horizons: torch.Tensor | None
    text: torch.Tensor
    empty: torch.Tensor
    noise: Noise


@dataclass(frozen=True)
class Denoising:
    """Inputs of the UNet, (N, 2 C or more, h, w), (N,) and (N, L, D), its target (N, C, h, w), and weights (N,)."""

    sample: torch.Tensor
    timesteps: torch.Tensor
    text: torch.Tensor
    target: torch.Tensor
    weights: torch.Tensor


def make_denoising(
    batch: Batch, scheduler: DDPMScheduler | DDIMScheduler, scaling_factor: float, options: Diffusion
) -> Denoising:
    """Noises the future frame's latents and leaves out conditions.

    The target is sampled from the posterior and scaled; the condition is the mode, not scaled, as the pipeline has it.
    """
    drawn = batch.noise
    clean = (batch.mean + batch.std * drawn.posterior) * scaling_factor
    noisy = scheduler.add_noise(clean, drawn.noise, drawn.timesteps)
    if options.prediction_type == "epsilon":
        target = drawn.noise
    else:
        target = scheduler.get_velocity(clean, drawn.noise, drawn.timesteps)
    text, condition = drawn.drop_conditions(batch.text, batch.empty, batch.condition, options.conditioning_dropout)
    weights = timestep_weights(drawn.timesteps, scheduler, options)
    return Denoising(torch.cat([noisy, condition], dim=1), drawn.timesteps, text, target, weights)


def timestep_weights(
    timesteps: torch.Tensor, scheduler: DDPMScheduler | DDIMScheduler, options: Diffusion
) -> torch.Tensor:
    """The weights of samples, (N,): ones, or min-SNR-gamma (arXiv 2303.09556, section 3.4).

    There, the error of the clean sample has the weight min(SNR, gamma). Divided by SNR this is the weight of epsilon's
    error, divided by SNR + 1 that of v's. With zero terminal SNR the last timestep would get no weight at all. It gets
    1, plain regression, because sampling begins there, and with one step also ends there.
    """
    if options.min_snr_gamma is None:
        return torch.ones(len(timesteps), device=timesteps.device)
    signal = scheduler.alphas_cumprod.to(timesteps.device)[timesteps].double()
    ratio = signal / (1 - signal)
    divisor = ratio if options.prediction_type == "epsilon" else ratio + 1
    weights = ratio.clamp(max=options.min_snr_gamma) / divisor
    return torch.where(signal == 0, 1.0, weights).float()


def weighted_loss(predicted: torch.Tensor, denoising: Denoising) -> torch.Tensor:
    """Mean squared error, in float32, each sample with its weight."""
    errors = (predicted.float() - denoising.target.float()).square().mean(dim=(1, 2, 3))
    return (errors * denoising.weights).mean()
