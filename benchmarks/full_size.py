"""A model of Stable Diffusion 1.5's size with random weights: as fast as the published InstructPix2Pix, but blind."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from framepred_ros.prediction.checkpoint import CheckpointInfo
from framepred_ros.prediction.compositing import Compositing
from framepred_ros.prediction.loading import build_pipeline
from framepred_ros.prediction.torch_predictor import TorchPredictor
from training.small.model import build_scheduler

TEXT_TOKENS = 77


@dataclass(frozen=True)
class Size:
    """Sizes of the models' parts, named as in their configurations; `resolution` is (height, width) in pixels."""

    resolution: tuple[int, int]
    unet_channels: tuple[int, int, int, int]
    autoencoder_channels: tuple[int, int, int, int]
    norm_groups: int
    hidden_size: int
    layers: int
    heads: int


FULL = Size((256, 256), (320, 640, 1280, 1280), (128, 256, 512, 512), 32, 768, 12, 12)
TINY = Size((64, 64), (16,) * 4, (16,) * 4, 8, 32, 1, 2)
"""The same classes in a second, to see that a benchmark runs."""


def full_size_predictor(
    tokenizer: CLIPTokenizer, device: torch.device, dtype: torch.dtype, size: Size = FULL
) -> TorchPredictor:
    """A predictor with models sized as those of `timbrooks/instruct-pix2pix`, for one step without guidance.

    Args:
        tokenizer: any; a copy of it pads its texts to the 77 tokens of CLIP.
    """
    info = CheckpointInfo(resolution=size.resolution, horizon=50, steps=1, compositing=Compositing())
    return TorchPredictor(*_parts(tokenizer, device, dtype, size), info)


def save_full_size(folder: Path, tokenizer: CLIPTokenizer, device: torch.device, size: Size = FULL) -> Path:
    """Saves such models, in float16, as published weights to train from; returns the folder."""
    pipeline = build_pipeline(*_parts(tokenizer, device, torch.float16, size))
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder)
    return folder


def _parts(tokenizer: CLIPTokenizer, device: torch.device, dtype: torch.dtype, size: Size) -> tuple:
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_max_length = TEXT_TOKENS
    with torch.device(device):
        vae, text_encoder, unet = (build(size).to(dtype) for build in (_autoencoder, _text_encoder, _unet))
    return vae, text_encoder, tokenizer, unet, build_scheduler()


def _unet(size: Size) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=64,
        in_channels=8,
        block_out_channels=size.unet_channels,
        attention_head_dim=8,
        cross_attention_dim=size.hidden_size,
        norm_num_groups=size.norm_groups,
    )


def _autoencoder(size: Size) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=size.autoencoder_channels,
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=size.norm_groups,
    )


def _text_encoder(size: Size) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=49408,
        max_position_embeddings=TEXT_TOKENS,
        hidden_size=size.hidden_size,
        intermediate_size=4 * size.hidden_size,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
    )
    return CLIPTextModel(config)
