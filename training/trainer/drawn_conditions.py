"""The conditions of drawn samples, as the UNet takes them."""

from __future__ import annotations

import numpy as np
import torch

from framepred_ros.prediction.conditions import history_channels, horizon_labels
from training.trainer.conditions import Conditions
from training.trainer.latent_cache import drawn_latents
from training.trainer.sampler import Draw


def drawn_conditions(
    conditions: Conditions, draw: Draw, latents: np.ndarray, current: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Current frame and past as input channels, and the horizons.

    Args:
        latents: of all frames, from `cache_latents`.
        current: latents of the current frames (N, C, h, w).

    Returns:
        (N, C or more, h, w); and float32 (N,), or None for a model that takes no horizon.
    """
    horizons = horizon_labels(draw.horizons, current.device) if conditions.horizons else None
    if not conditions.history:
        return current, horizons
    past = drawn_latents(latents, draw.past, draw.mirrored)[:, :, : current.shape[1]]  # a posterior's mean comes first
    present = torch.from_numpy(draw.past >= 0)
    channels = history_channels(current, past, present, conditions.history_channels)
    return torch.cat([current, channels], dim=1), horizons
