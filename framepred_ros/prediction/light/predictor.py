"""A `FramePredictor` without PyTorch."""

from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from framepred_ros.prediction.checkpoint import CheckpointInfo
from framepred_ros.prediction.conditions import check_conditions
from framepred_ros.prediction.imaging import ArrayImaging
from framepred_ros.prediction.light.choice import NotLight, find_form
from framepred_ros.prediction.light.form import WEIGHTS, Form, FormError
from framepred_ros.prediction.light.scheduler import DdimScheduler
from framepred_ros.prediction.predictor import (
    FramePredictor,
    check_finite,
    check_resolution,
    complete_histories,
    distinct,
)
from framepred_ros.prediction.threads import default_threads, lower_priority


class LightPredictor(FramePredictor):
    """See `FramePredictor`.

    Args:
        checkpoint: its folder.
        form: its compiled form.
        info: its settings.
        threads: how many OpenVINO computes with.
        niceness: as `FramePredictor.from_pretrained` takes it.

    Raises:
        ValueError: the checkpoint's settings do not fit its models.
        FormError: OpenVINO cannot read the form.
    """

    def __init__(self, checkpoint: Path, form: Form, info: CheckpointInfo, threads: int, niceness: int = 0):
        # Imported here: half of the time of all imports.
        from framepred_ros.prediction.light.autoencoder import LightAutoencoder
        from framepred_ros.prediction.light.graphs import Compiler
        from framepred_ros.prediction.light.sampler import LightSampler
        from framepred_ros.prediction.light.tokenizer import WordTokenizer

        unet_config, scheduler_config = (
            json.loads((checkpoint / name).read_text(encoding="utf-8"))
            for name in ("unet/config.json", "scheduler/scheduler_config.json")
        )
        lower_priority(niceness)
        compiler = Compiler(threads)
        self.info, self.device, self.engine = info, "cpu", "openvino"
        self.autoencoder = LightAutoencoder(checkpoint, compiler)
        check_resolution(info, self.autoencoder.patch_size)
        check_conditions(unet_config, self.autoencoder.latent_channels, info)
        self.tokenizer = tokenizer = WordTokenizer(form.tokenizer)
        unet, text_encoder = (
            compiler.compile_graph(form.graphs[name], checkpoint / WEIGHTS[name]) for name in ("unet", "text_encoder")
        )
        scheduler = DdimScheduler(scheduler_config, form.alphas, form.final_alpha)
        self.sampler = LightSampler(unet, lambda text: text_encoder(tokenizer.padded(text)), scheduler, info)
        self.imaging = ArrayImaging()
        self._lock = threading.Lock()

    @property
    def scaling_factor(self) -> float:
        """See `FramePredictor.scaling_factor`."""
        return self.autoencoder.scaling_factor

    @property
    def longest_sampling(self) -> int:
        """See `FramePredictor.longest_sampling`."""
        return self.sampler.scheduler.training_timesteps

    def _computing(self):
        return nullcontext()

    def _encode(self, images):
        different, places = distinct(images)
        return self.autoencoder.encode(self.imaging.load(different, self.info.resolution))[places]

    def _sample(self, images, words, steps, seed, horizons, histories):
        current = self._encode(images)
        frames, present = complete_histories(images, histories, self.history)
        past = None
        if present.any():
            past = self._encode(frames).reshape(*present.shape, *current.shape[1:])
        return current, self.sampler.sample(current, past, present, words, steps, seed, horizons)

    def _decode(self, *latents: np.ndarray) -> list[np.ndarray]:
        check_finite(float(sum(each.sum() for each in latents)), "float32")  # before decoding clamps them
        return self.autoencoder.decode(*latents)


def open_light(
    folder: Path,
    info: CheckpointInfo,
    device: Any,
    dtype: Any,
    engine: str,
    threads: int | None = None,
    niceness: int = 0,
) -> LightPredictor:
    """Loads a checkpoint folder; arguments and errors as those of `FramePredictor.from_pretrained`.

    Raises:
        NotLight: this is for PyTorch.
    """
    form = find_form(folder, device, dtype, engine)
    try:
        return LightPredictor(folder, form, info, threads or default_threads(), niceness)
    except FormError as error:
        raise NotLight(f"its compiled form is of no use here: {error}") from error
