"""Loads a checkpoint folder's models onto a device."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import diffusers.utils.logging as diffusers_logging
import torch
import transformers.utils.logging as transformers_logging

import framepred_ros.patch_autoencoder  # noqa: F401  (diffusers finds the class only in an imported module)
from framepred_ros.prediction.checkpoint_files import check_checkpoint_files


def load_pipeline(folder: Path, device: torch.device, dtype: torch.dtype):
    """Opens a folder in diffusers' layout as a `StableDiffusionInstructPix2PixPipeline`, silently.

    Every model gets `dtype` explicitly: a folder may store its models in different ones, and transformers keeps what is
    stored while diffusers does not.

    Raises:
        ValueError: files are incomplete, damaged or not what a checkpoint may hold; the message names folder and file.
    """
    check_checkpoint_files(folder)
    with quiet_libraries():
        from diffusers import StableDiffusionInstructPix2PixPipeline

        try:
            pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                safety_checker=None,  # its false positives would black out frames
                feature_extractor=None,
                requires_safety_checker=False,
            )
        except Exception as error:  # the libraries that read damaged files may raise anything
            raise ValueError(f"{folder} cannot be loaded as a checkpoint: {error}") from error
        return pipeline.to(device)


def build_pipeline(vae, text_encoder, tokenizer, unet, scheduler):
    """The diffusers pipeline that holds the parts; its `save_pretrained` writes the checkpoint folder."""
    with quiet_libraries():
        from diffusers import StableDiffusionInstructPix2PixPipeline

    return StableDiffusionInstructPix2PixPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def resolve_device(device: str | torch.device) -> torch.device:
    """Turns "auto" into a CUDA device when there is one, and checks that a named device exists.

    Raises:
        ValueError: unknown name, or no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(1, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device {str(device)!r} cannot be used here: {str(error).splitlines()[0]}") from None
    return resolved


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keeps progress bars and notes about absent optional packages out of a node's log while loading."""
    libraries = (diffusers_logging, transformers_logging)
    states = [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, (level, bars) in zip(libraries, states, strict=True):
            library.set_verbosity(level)
            if bars:
                library.enable_progress_bar()
