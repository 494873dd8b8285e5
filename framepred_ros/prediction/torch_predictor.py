"""A `FramePredictor` that PyTorch runs: any checkpoint, device and engine."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from framepred_ros.prediction.checkpoint import CheckpointInfo
from framepred_ros.prediction.conditions import Past, check_conditions
from framepred_ros.prediction.imaging_torch import DeviceImaging, HostImaging
from framepred_ros.prediction.loading import load_pipeline, resolve_device
from framepred_ros.prediction.predictor import (
    FramePredictor,
    check_finite,
    check_resolution,
    complete_histories,
    distinct,
)
from framepred_ros.prediction.sampling import SAMPLERS, resolve_engine
from framepred_ros.prediction.threads import lower_priority


class TorchPredictor(FramePredictor):
    """See `FramePredictor`.

    The engine samples the future frame's latents: "fast" is `framepred_ros.prediction.sampling.FastSampler`,
    "compile" and "openvino" are the same with a compiled UNet, "diffusers" is the stock pipeline, which the others are
    checked against.

    Attributes:
        device: torch device the model runs on.
        dtype: torch dtype the model runs in.
    """

    def __init__(self, vae, text_encoder, tokenizer, unet, scheduler, info: CheckpointInfo, engine: str = "auto"):
        self.engine = resolve_engine(engine, unet)
        check_resolution(info, 2 ** (len(vae.config.block_out_channels) - 1))
        check_conditions(unet.config, vae.config.latent_channels, info)
        self.vae, self.text_encoder, self.unet = vae.eval(), text_encoder.eval(), unet.eval()
        self.tokenizer, self.scheduler, self.info = tokenizer, scheduler, info
        self.device, self.dtype = unet.device, unet.dtype
        self.sampler = SAMPLERS[self.engine](vae, text_encoder, tokenizer, unet, scheduler, info)
        self.imaging = HostImaging() if self.device.type == "cpu" else DeviceImaging(self.device)
        self._lock = threading.Lock()

    @property
    def scaling_factor(self) -> float:
        """See `FramePredictor.scaling_factor`."""
        return self.vae.config.scaling_factor

    @property
    def longest_sampling(self) -> int:
        """See `FramePredictor.longest_sampling`."""
        config = self.scheduler.config
        return config.get("original_inference_steps") or config.num_train_timesteps  # the former of LCMScheduler

    def _computing(self):
        return torch.inference_mode()

    def _encode(self, images):
        return self.vae.encode(self._pixels(images)).latent_dist.mode()

    def _sample(self, images, words, steps, seed, horizons, histories):
        past = self._past(images, histories)
        return self.sampler.sample(self._pixels(images), words, steps, seed, horizons, past)

    def _decode(self, *latents):
        pixels = self.vae.decode(torch.cat(latents), return_dict=False)[0].float()
        # Checked here, where everything that is shown passes, because clamping would hide it.
        check_finite(float(pixels.sum()), str(self.dtype).removeprefix("torch."))
        return ((pixels + 1) * 127.5).clamp(0, 255).chunk(len(latents))

    def _pixels(self, images: Sequence[np.ndarray]) -> torch.Tensor:
        """Frames, uint8 RGB (H, W, 3) each, at the model's resolution: (N, 3, h, w) in [-1, 1]."""
        different, places = distinct(images)
        pixels = self.imaging.load(different, self.info.resolution).to(self.dtype) / 127.5 - 1
        return pixels if len(different) == len(images) else pixels[places]

    def _past(self, images: Sequence[np.ndarray], histories: Sequence[Mapping[int, np.ndarray]]) -> Past | None:
        """What the cameras saw before, at the model's resolution; None if nothing is given."""
        if not any(histories):
            return None
        frames, present = complete_histories(images, histories, self.history)
        return Past(self._pixels(frames).unflatten(0, present.shape), torch.from_numpy(present))


def open_torch(
    folder: Path,
    info: CheckpointInfo,
    device: str | torch.device,
    dtype: torch.dtype | None,
    engine: str,
    threads: int | None = None,
    niceness: int = 0,
) -> TorchPredictor:
    """Loads a checkpoint folder; arguments and errors as those of `FramePredictor.from_pretrained`."""
    device = resolve_device(device)
    lower_priority(niceness)
    if threads:
        torch.set_num_threads(threads)
    dtype = dtype or (torch.float16 if device.type == "cuda" else torch.float32)
    pipeline = load_pipeline(folder, device, dtype)
    parts = pipeline.vae, pipeline.text_encoder, pipeline.tokenizer, pipeline.unet, pipeline.scheduler
    return TorchPredictor(*parts, info, engine)
