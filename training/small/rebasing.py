"""A trained UNet moved into the latents of another autoencoder, so that what it knows of motion is not learned anew."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel

from framepred_ros.patch_autoencoder import PatchAutoencoder
from training.trainer.conditions import Conditions


@torch.no_grad()
def rebase(
    unet: UNet2DConditionModel, old: PatchAutoencoder, new: PatchAutoencoder, conditions: Conditions | None = None
) -> None:
    """Rewrites the first and the last layer of `unet`, in place, for the latents of `new` instead of those of `old`.

    Both autoencoders are linear. As far as their components span the same patches, the latents of one are a linear map
    of the other's, and this map is multiplied into the two convolutions. What only one of them spans is lost. The
    result is exact, away from the border, if both span the same and have the same coarse channels; otherwise training
    has to mend it.

    Args:
        unet: takes noisy latents, current latents and the past's channels of `conditions`, in this order.
        old, new: of the same patch size and number of components.
        conditions: the past that the UNet takes; None for none.
    """
    count = len(old.std)
    to_old, offset = _change(new, old)
    to_new, _ = _change(old, new)
    blocks = [to_old, to_old]
    for _ in conditions.history if conditions else ():
        kept = count if conditions.history_channels is None else conditions.history_channels
        blocks += [to_old[:kept, :kept], torch.eye(1)]
    first, last = unet.conv_in, unet.conv_out
    weight = first.weight.clone()
    first.bias += torch.einsum("ocyx,c->o", weight[:, count : 2 * count], offset)  # the mean colours differ
    first.weight.copy_(torch.einsum("ocyx,cn->onyx", weight, torch.block_diag(*blocks)))
    last.weight.copy_(torch.einsum("no,ocyx->ncyx", to_new, last.weight.clone()))
    last.bias.copy_(to_new @ last.bias.clone())


def _change(source: PatchAutoencoder, target: PatchAutoencoder) -> tuple[torch.Tensor, torch.Tensor]:
    """Matrix (C, C) and offset (C,) from the latents of `source` to those of `target`."""
    from_source = source.components.flatten(1) * source.std[:, None]
    to_target = target.components.flatten(1) / target.std[:, None]
    mean = (source.mean - target.mean)[:, None, None].expand_as(target.components[0]).flatten()
    return to_target @ from_source.T, to_target @ mean
