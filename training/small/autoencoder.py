"""Fits the linear patch autoencoder by weighted principal component analysis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F

from framepred_ros.patch_autoencoder import PatchAutoencoder
from training.trainer.latent_cache import read_pixels

CHANGED = 8 / 127.5  # mean absolute difference, in [-1, 1], from which a patch counts as changed
CHUNK = 16


def fit_patch_autoencoder(
    pairs: Sequence[tuple[Path, Path]],
    resolution: tuple[int, int],
    patch_size: int,
    components: int,
    still_weight: float,
    on_done: Callable[[int], None] = lambda count: None,
) -> PatchAutoencoder:
    """Fits on pairs of frames.

    Args:
        pairs: current and future frame, as files.
        resolution: (height, width) in pixels.
        still_weight: weight of patches that do not change within the pair, relative to those that do.
        on_done: called with a number of pairs that were read, for progress.

    Returns:
        the autoencoder whose components explain most of the weighted variance about the mean colour.
    """
    values = 3 * patch_size**2
    moment = torch.zeros(values, values, dtype=torch.float64)  # weighted sum of outer products of patches
    total, sums = 0.0, torch.zeros(values, dtype=torch.float64)
    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        now, future = (read_pixels([pair[side] for pair in chunk], resolution) for side in (0, 1))
        patches = torch.cat([_patches(now, patch_size), _patches(future, patch_size)])
        changed = (_patches(now, patch_size) - _patches(future, patch_size)).abs().mean(dim=1) > CHANGED
        weights = torch.where(changed, 1.0, still_weight).repeat(2)
        moment += (patches.T @ (patches * weights[:, None])).double()
        sums += (patches.T @ weights).double()
        total += float(weights.sum())
        on_done(len(chunk))
    colour = sums.reshape(3, -1).mean(dim=1) / total
    mean = colour.repeat_interleave(patch_size**2)
    covariance = moment / total - torch.outer(sums, mean) / total - torch.outer(mean, sums) / total
    covariance += torch.outer(mean, mean)
    variances, vectors = torch.linalg.eigh(covariance)
    vae = PatchAutoencoder(patch_size=patch_size, latent_channels=components)
    largest = vectors.flip(1)[:, :components].T
    vae.components.data = largest.reshape(vae.components.shape).float().contiguous()
    vae.mean.data = colour.float()
    vae.std.data = variances.flip(0)[:components].clamp(min=1e-6).sqrt().float()
    return vae


def _patches(images: torch.Tensor, size: int) -> torch.Tensor:
    """Non-overlapping patches (N * patches, 3 * size * size) of images (N, 3, H, W)."""
    return F.unfold(images, size, stride=size).transpose(1, 2).flatten(0, 1)
