"""Denoising diffusion implicit models (arXiv 2010.02502) in NumPy, as diffusers' DDIMScheduler runs them, eta 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

CLASS = "DDIMScheduler"
SPACINGS = ("leading", "linspace", "trailing")
PREDICTIONS = ("epsilon", "sample", "v_prediction")


def scheduler_obstacle(config: Mapping[str, Any]) -> str:
    """Says why this module cannot do what a checkpoint's scheduler does; empty if it can."""
    if config.get("_class_name") != CLASS:
        return f"its scheduler is {config.get('_class_name')!r}"
    if config.get("clip_sample", True) or config.get("thresholding", False):
        return "its scheduler clips samples (clip_sample, thresholding)"
    for name, default, known in (
        ("timestep_spacing", "leading", SPACINGS),
        ("prediction_type", "epsilon", PREDICTIONS),
    ):
        if config.get(name, default) not in known:
            return f"its scheduler has {name} {config[name]!r}"
    return ""


class DdimScheduler:
    """From noise to a sample in few steps.

    Args:
        config: the content of `scheduler_config.json`, of which `scheduler_obstacle` has nothing to say.
        alphas: cumulative products of the noise schedule, float32 (training timesteps,).
        final_alpha: the one after the last step.
    """

    def __init__(self, config: Mapping[str, Any], alphas: np.ndarray, final_alpha: float):
        self._alphas, self._final = alphas.astype(np.float32), np.float32(final_alpha)
        self._spacing = config.get("timestep_spacing", "leading")
        self._prediction = config.get("prediction_type", "epsilon")
        self._offset = int(config.get("steps_offset", 0))

    @property
    def training_timesteps(self) -> int:
        """How many there are; no sampling is longer."""
        return len(self._alphas)

    def timesteps(self, steps: int) -> np.ndarray:
        """int64 (steps,), falling."""
        count = self.training_timesteps
        if self._spacing == "trailing":
            return np.round(np.arange(count, 0, -count / steps)).astype(np.int64) - 1
        if self._spacing == "linspace":
            return np.linspace(0, count - 1, steps).round()[::-1].astype(np.int64)
        return (np.arange(steps) * (count // steps)).round()[::-1].astype(np.int64) + self._offset

    def step(self, output: np.ndarray, timestep: int, sample: np.ndarray, steps: int) -> np.ndarray:
        """The sample one step later: equation 12 with eta 0.

        Args:
            output: of the UNet, float32 of the sample's shape.
            timestep: one of `timesteps`.
            sample: float32, any shape.
            steps: of the whole sampling.
        """
        previous = timestep - self.training_timesteps // steps
        now, then = self._alphas[timestep], self._alphas[previous] if previous >= 0 else self._final
        root, noise_root = np.sqrt(now), np.sqrt(1 - now)
        if self._prediction == "epsilon":
            clean, noise = (sample - noise_root * output) / root, output
        elif self._prediction == "sample":
            clean, noise = output, (sample - root * output) / noise_root
        else:
            clean, noise = root * sample - noise_root * output, root * output + noise_root * sample
        return np.sqrt(then) * clean + np.sqrt(1 - then) * noise
