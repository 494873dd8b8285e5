"""A UNet that takes more than it did, and computes at first what it did before: what is new has weights of zero."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel

from training.trainer.weights import WeightsError


def widened(
    unet: UNet2DConditionModel, in_channels: int, takes_horizon: bool, pooled_words_heads: int | None = None
) -> UNet2DConditionModel:
    """A UNet, float32, with further input channels at the end and an embedding of the horizon if it is to take one.

    The bias stays with the old weights: the output would change without it (arXiv 2211.09800, section 3.2). A UNet that
    takes all this already is returned as it is.

    Args:
        pooled_words_heads: attention heads of an embedding of the whole instruction, for a UNet that is to have one
            and has none; None leaves that as it is.

    Raises:
        WeightsError: the UNet takes more than it is to take.
    """
    has_horizon = unet.config.class_embed_type == "timestep"
    new_words = pooled_words_heads is not None and unet.config.addition_embed_type is None
    if (unet.config.in_channels, has_horizon) == (in_channels, takes_horizon) and not new_words:
        return unet
    if unet.config.in_channels > in_channels or (has_horizon and not takes_horizon):
        there, wanted = (
            f"{channels} channels{' and a horizon' if horizon else ''}"
            for channels, horizon in ((unet.config.in_channels, has_horizon), (in_channels, takes_horizon))
        )
        raise WeightsError(
            f"model.weights: the UNet takes {there}, the recipe's model.conditions say {wanted}; give the recipe the "
            "checkpoint's conditions (its framepred.json has them), or further ones"
        )
    # What is listed in _use_default_values would be set back to its default.
    config = {name: value for name, value in unet.config.items() if name != "_use_default_values"}
    config |= {"in_channels": in_channels, "class_embed_type": "timestep" if takes_horizon else None}
    if new_words:
        config |= {"addition_embed_type": "text", "addition_embed_type_num_heads": pooled_words_heads}
    wide = UNet2DConditionModel.from_config(config)
    weights = wide.state_dict()
    for name, tensor in unet.state_dict().items():
        if name == "conv_in.weight":
            weights[name] = torch.zeros_like(weights[name])
            weights[name][:, : tensor.shape[1]] = tensor
        else:
            weights[name] = tensor
    for last, is_new in (
        ("class_embedding.linear_2", takes_horizon and not has_horizon),
        ("add_embedding.norm2", new_words),
    ):
        if is_new:
            weights[f"{last}.weight"].zero_()
            weights[f"{last}.bias"].zero_()
    wide.load_state_dict(weights)
    return wide.train(unet.training)
