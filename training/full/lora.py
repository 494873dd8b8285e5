"""Low-rank adapters in a UNet, by peft."""

from __future__ import annotations

import copy

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig

from training.trainer.models import Lora

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]


def add_adapters(unet: UNet2DConditionModel, options: Lora, frozen_dtype: torch.dtype) -> None:
    """Adds adapters to all attention layers, in place, and freezes the rest in `frozen_dtype`.

    The first and the last convolution are trained as they are, since they have few weights: the first may be newly
    widened, and the output of the last means something else when the prediction type changes.
    """
    unet.requires_grad_(False).to(frozen_dtype)
    unet.add_adapter(
        LoraConfig(r=options.rank, lora_alpha=options.alpha, init_lora_weights="gaussian", target_modules=ATTENTION)
    )
    for layer in (unet.conv_in, unet.conv_out):
        layer.requires_grad_(True)
    for parameter in unet.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def merged(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """A copy, float32, whose weights contain what the adapters add, without adapters."""
    unet = copy.deepcopy(unet).float()
    unet.fuse_lora()
    unet.unload_lora()
    return unet
