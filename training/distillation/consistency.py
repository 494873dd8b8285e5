"""Latent consistency distillation: the steps of the teacher's solver, the consistency function, and the loss.

Source: Luo et al., "Latent Consistency Models", arXiv 2310.04378, sections 3 and 4, with fixed guidance
scales in place of ones that the UNet gets as an input.
"""

from __future__ import annotations

import torch
from diffusers import LCMScheduler


def build_scheduler(teacher, solver_steps: int) -> LCMScheduler:
    """The scheduler of the distilled checkpoint: the teacher's noise schedule and prediction type.

    Args:
        teacher: any diffusers scheduler.
        solver_steps: timesteps that the distilled model knows, evenly spaced; sampling takes some of them.

    Raises:
        ValueError: `solver_steps` does not divide the schedule, so that sampling could not start at its last timestep.
    """
    timesteps = teacher.config.num_train_timesteps
    if timesteps % solver_steps:
        raise ValueError(f"model.solver_steps must divide the teacher's {timesteps} timesteps; {solver_steps} does not")
    return LCMScheduler.from_config(
        teacher.config,
        original_inference_steps=solver_steps,
        prediction_type=teacher.config.get("prediction_type", "epsilon"),
        clip_sample=False,
        thresholding=False,
        set_alpha_to_one=True,
    )


class ConsistencySolver:
    """DDIM in strides over the noise schedule, each sample of a batch at a position of its own.

    Position n of 1..N is timestep n * stride - 1, where `LCMScheduler` samples; position 0 is the clean sample.

    Args:
        scheduler: of `build_scheduler`.
    """

    def __init__(self, scheduler: LCMScheduler):
        config = scheduler.config
        self.scheduler, self.steps = scheduler, config.original_inference_steps
        stride = config.num_train_timesteps // self.steps
        timesteps = torch.arange(1, self.steps + 1) * stride - 1
        self.timesteps = torch.cat([torch.zeros(1, dtype=torch.int64), timesteps])
        self.alphas = torch.cat([torch.ones(1), scheduler.alphas_cumprod[timesteps]])

    def to(self, device: torch.device) -> ConsistencySolver:
        """Moves the tables to a device; returns itself."""
        self.timesteps, self.alphas = self.timesteps.to(device), self.alphas.to(device)
        return self

    def add_noise(self, clean: torch.Tensor, noise: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Clean samples (N, C, h, w) with the noise of their positions (N,)."""
        signal, deviation = self._scales(positions)
        return signal * clean + deviation * noise

    def step(self, output: torch.Tensor, sample: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """A DDIM step without added noise (arXiv 2010.02502, equation 12) from each position to the one below it.

        Args:
            output: of the teacher's UNet, guided, (N, C, h, w).
            sample: that the UNet got, (N, C, h, w).
            positions: (N,), at least 1.
        """
        return self.add_noise(*self._estimate(output, sample, positions), positions - 1)

    def consistency(self, output: torch.Tensor, sample: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """The consistency function, equation 7, whose value is the clean sample; at position 0 it is the sample itself.

        Args:
            output: of the student's UNet, (N, C, h, w).
            sample: that the UNet got, (N, C, h, w).
            positions: (N,).
        """
        scalings = self.scheduler.get_scalings_for_boundary_condition_discrete(self.timesteps[positions])
        skip, out = (scaling[:, None, None, None] for scaling in scalings)
        return skip * sample + out * self._estimate(output, sample, positions)[0]

    def _estimate(self, output, sample, positions) -> tuple[torch.Tensor, torch.Tensor]:
        """The clean sample and the noise that follow from an output of the UNet."""
        signal, deviation = self._scales(positions)
        output = output.float()
        if self.scheduler.config.prediction_type == "v_prediction":
            return signal * sample - deviation * output, signal * output + deviation * sample
        return (sample - deviation * output) / signal, output

    def _scales(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        alphas = self.alphas[positions][:, None, None, None]
        return alphas.sqrt(), (1 - alphas).sqrt()


def pseudo_huber(error: torch.Tensor, channel_weights: torch.Tensor, c: float) -> torch.Tensor:
    """The mean of sqrt(error^2 + c^2) - c, each channel with its weight: squares near zero, absolute values beyond `c`.

    Args:
        error: (N, C, h, w).
        channel_weights: (C,).
    """
    return (((error.square() + c**2).sqrt() - c).mean(dim=(0, 2, 3)) * channel_weights).mean()
