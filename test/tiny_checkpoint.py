"""Tiny checkpoints with random weights for tests: the real classes and files, a fraction of a second to make."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from framepred_ros.patch_autoencoder import PatchAutoencoder
from framepred_ros.prediction.checkpoint import CheckpointInfo, write_checkpoint_info
from framepred_ros.prediction.compositing import Compositing
from framepred_ros.prediction.loading import build_pipeline
from training.small.model import (
    TextEncoderSize,
    UNetSize,
    build_scheduler,
    build_text_encoder,
    build_unet,
)
from training.small.tokenizer import train_tokenizer
from training.trainer.conditions import Conditions
from training.trainer.widening import widened

INSTRUCTIONS = (
    "hit the block with the hammer",
    "pick up the red block with the left arm and hand it to the right arm",
    "stack the black block on the red block",
)


def make_tiny_checkpoint(
    folder: Path, *, resolution=(64, 64), patch_size=8, latent_channels=12, seed=0, **info
) -> Path:
    """Saves a tiny small-size checkpoint: linear autoencoder, one-step sampler, compositing on.

    Args:
        folder: where to save; returned.
        resolution: (height, width) in pixels.
        **info: fields of CheckpointInfo that replace the defaults here; the UNet takes what they say of horizons and
            history.
    """
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(INSTRUCTIONS, merges=60)
    text_size = TextEncoderSize(hidden=32, layers=1, heads=2)
    vae = _random_patch_autoencoder(patch_size, latent_channels)
    unet = build_unet(
        UNetSize(channels=(32, 32), attention=(False, True), head_channels=16, norm_groups=16),
        latent_channels,
        tuple(side // patch_size for side in resolution),
        text_size.hidden,
        _conditions(info),
    )
    torch.nn.init.normal_(unet.conv_out.weight, std=0.05)  # zero by design, which would predict no change at all
    pipeline = build_pipeline(vae, build_text_encoder(tokenizer, text_size), tokenizer, unet, build_scheduler())
    settings = {
        "resolution": tuple(resolution),
        "horizon": 50,
        "step_duration": 0.06,
        "prediction_target": "difference",
        "compositing": Compositing(),
        "tasks": ("block_hammer_beat",),
    }
    return _save(pipeline, folder, CheckpointInfo(**(settings | info)))


def make_tiny_full_checkpoint(
    folder: Path, *, seed=0, with_info=False, scheduler=None, in_channels=8, levels=2, **info
) -> Path:
    """Saves a tiny checkpoint of the full size's layout: AutoencoderKL, four-channel latents, no framepred.json.

    Args:
        levels: resolutions of the UNet; only the finest has attention.
        in_channels: of the UNet; 4 is Stable Diffusion's.
        with_info: also write framepred.json, with `info` as fields of CheckpointInfo.
        scheduler: replaces the small size's scheduler.
    """
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(INSTRUCTIONS, merges=60)
    text_size = TextEncoderSize(hidden=32, layers=1, heads=2)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=in_channels,
        out_channels=4,
        block_out_channels=(16,) * levels,
        down_block_types=("CrossAttnDownBlock2D", *["DownBlock2D"] * (levels - 1)),
        up_block_types=(*["UpBlock2D"] * (levels - 1), "CrossAttnUpBlock2D"),
        layers_per_block=1,
        attention_head_dim=2,
        cross_attention_dim=text_size.hidden,
        norm_num_groups=8,
    )
    if "horizons" in info or "history" in info:
        unet = widened(unet, _conditions(info).input_channels(4), "horizons" in info)
    text_encoder = build_text_encoder(tokenizer, text_size)
    pipeline = build_pipeline(vae, text_encoder, tokenizer, unet, scheduler or build_scheduler())
    settings = CheckpointInfo(**({"resolution": (64, 64)} | info)) if with_info or info else None
    return _save(pipeline, folder, settings)


def _conditions(info: dict) -> Conditions:
    return Conditions(**{name: info[name] for name in ("horizons", "history", "history_channels") if name in info})


def _random_patch_autoencoder(patch_size: int, latent_channels: int) -> PatchAutoencoder:
    vae = PatchAutoencoder(patch_size=patch_size, latent_channels=latent_channels)
    basis, _ = torch.linalg.qr(torch.randn(3 * patch_size**2, latent_channels))
    # The first component is the patch's mean grey level, so that decoded frames resemble the input.
    basis, _ = torch.linalg.qr(torch.cat([torch.ones(len(basis), 1), basis[:, 1:]], dim=1))
    vae.components.data = basis.T.reshape(vae.components.shape).contiguous()
    vae.std.data = torch.linspace(2.0, 0.2, latent_channels)
    return vae


def _save(pipeline, folder: Path, info: CheckpointInfo | None) -> Path:
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder)
    if info is not None:
        write_checkpoint_info(folder, info)
    return Path(folder)
