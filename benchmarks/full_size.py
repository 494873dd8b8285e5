"""A model of Stable Diffusion 1.5's size with random weights: as fast as the published InstructPix2Pix, but blind."""

from __future__ import annotations

import copy

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from framepred_ros.prediction.checkpoint import CheckpointInfo
from framepred_ros.prediction.compositing import Compositing
from framepred_ros.prediction.torch_predictor import TorchPredictor
from training.small.model import build_scheduler

RESOLUTION = (256, 256)
TEXT_TOKENS = 77


def full_size_predictor(tokenizer: CLIPTokenizer, device: torch.device, dtype: torch.dtype) -> TorchPredictor:
    """A predictor with models sized as those of `timbrooks/instruct-pix2pix`, for one step without guidance at 256x256.

    Args:
        tokenizer: any; a copy of it pads its texts to the 77 tokens of CLIP.
    """
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_max_length = TEXT_TOKENS
    with torch.device(device):
        parts = _autoencoder().to(dtype), _text_encoder().to(dtype), tokenizer, _unet().to(dtype), build_scheduler()
    info = CheckpointInfo(resolution=RESOLUTION, horizon=50, steps=1, compositing=Compositing())
    return TorchPredictor(*parts, info)


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=64,
        in_channels=8,
        block_out_channels=(320, 640, 1280, 1280),
        attention_head_dim=8,
        cross_attention_dim=768,
    )


def _autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
    )


def _text_encoder() -> CLIPTextModel:
    sizes = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    return CLIPTextModel(CLIPTextConfig(vocab_size=49408, max_position_embeddings=TEXT_TOKENS, **sizes))
