"""Published weights as a start: Stable Diffusion or InstructPix2Pix."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from training.trainer.conditions import Conditions
from training.trainer.learner import Parts
from training.trainer.models import Diffusion
from training.trainer.weights import WeightsError
from training.trainer.widening import widened


def load_parts(folder: Path, conditions: Conditions = Conditions()) -> Parts:  # noqa: B008  (frozen)
    """Loads the models of a folder, the UNet with eight input channels, and more for the conditions.

    Raises:
        WeightsError: files are missing, damaged, no safetensors, or of other models.
    """
    options = {"use_safetensors": True, "local_files_only": True, "dtype": torch.float32}
    try:
        kind = AutoencoderKL.load_config(folder, subfolder="vae", local_files_only=True)["_class_name"]
        if kind != AutoencoderKL.__name__:
            raise ValueError(
                f"its autoencoder is a {kind}; a recipe of model.kind small trains on from such a checkpoint"
            )
        parts = Parts(
            AutoencoderKL.from_pretrained(folder, subfolder="vae", **options).eval().requires_grad_(False),
            CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", **options).eval().requires_grad_(False),
            CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer", local_files_only=True),
            UNet2DConditionModel.from_pretrained(folder, subfolder="unet", **options),
        )
    except Exception as error:  # the libraries that read damaged files may raise anything
        raise WeightsError(f"model.weights: {folder} cannot be loaded: {error}") from error
    # A folder without the tokenizer's settings would pad to a length of 1e30.
    length = parts.text_encoder.config.max_position_embeddings
    parts.tokenizer.model_max_length = min(parts.tokenizer.model_max_length, length)
    return replace(parts, unet=widen_unet(parts.unet, parts.vae.config.latent_channels, conditions))


def widen_unet(unet: UNet2DConditionModel, latent_channels: int, conditions: Conditions) -> UNet2DConditionModel:
    """Widens a UNet that takes noisy latents (Stable Diffusion), or these and the current frame's (InstructPix2Pix), so
    that it also takes the conditions.

    Raises:
        WeightsError: the UNet takes something else.
    """
    wanted = conditions.input_channels(latent_channels)
    if unet.config.in_channels not in (latent_channels, 2 * latent_channels, wanted):
        raise WeightsError(
            f"model.weights: the UNet takes {unet.config.in_channels} channels; training starts from {latent_channels} "
            f"(Stable Diffusion) or {2 * latent_channels} (InstructPix2Pix)"
        )
    return widened(unet, wanted, conditions.horizons is not None)


def load_scheduler(folder: Path, options: Diffusion) -> DDPMScheduler | DDIMScheduler:
    """The noise schedule of the weights: DDPM, or, where its last timestep is to be pure noise, DDIM rescaled for it.

    Neither clips: latents go beyond 1, which DDPM's default would cut off.
    """
    if not options.zero_terminal_snr:
        return DDPMScheduler.from_pretrained(
            folder,
            subfolder="scheduler",
            prediction_type=options.prediction_type,
            clip_sample=False,
            rescale_betas_zero_snr=False,
        )
    return DDIMScheduler.from_pretrained(
        folder,
        subfolder="scheduler",
        prediction_type=options.prediction_type,
        clip_sample=False,
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",  # sampling starts at the timestep that is pure noise
        set_alpha_to_one=True,
        steps_offset=0,
    )
