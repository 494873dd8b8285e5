"""A checkpoint, through `FramePredictor`, as it runs on the robot; and its architecture without its training."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch

from framepred_ros.prediction.checkpoint import named_checkpoint
from framepred_ros.prediction.predictor import FramePredictor
from training.dataset.index import Row
from training.evaluation.predictors.base import Pair, Prediction, Predictor
from training.evaluation.predictors.prompts import word_prompt


class CheckpointPredictor(Predictor):
    """Measures a `FramePredictor`.

    Args:
        model: the `FramePredictor`.
        steps: sampling steps; None is the checkpoint's default.
        seed: of the initial noise.
        prompts: see `word_prompt`.
        history: give the model the frames before the current one, as far as there are some.
        samples: how many samples with seeds `seed`, `seed` + 1, ... to draw. Above one the prediction is their mean,
            and the value "diversity" is the mean over pixels of their standard deviation, in levels of 255.
    """

    def __init__(
        self,
        model,
        steps: int | None = None,
        seed: int = 0,
        prompts: str | None = None,
        samples: int = 1,
        history: bool = False,
    ):
        self.model, self.steps, self.seed = model, steps, seed
        self.prompts, self.samples = prompts, samples
        self.horizon, self.step_duration = model.horizon, model.step_duration
        self.horizons, self.history = model.horizons, model.history if history else ()
        if history and not model.history:
            raise ValueError("history: this checkpoint predicts from the current frame alone, it takes no past")

    def prepare(self, rows: Sequence[Row], size: tuple[int, int] | None) -> None:
        for row in rows:
            word_prompt(self.prompts, row)

    def predict(self, pairs: Sequence[Pair]) -> list[Prediction]:
        frames = [pair.current for pair in pairs]
        prompts = [word_prompt(self.prompts, pair.row) or None for pair in pairs]  # None: without words
        conditions = {}
        if self.horizons[0] != self.horizons[1]:
            conditions["horizons"] = [pair.row.horizon or self.horizon for pair in pairs]
        if self.history:
            conditions["histories"] = [pair.past for pair in pairs]
        seeds = range(self.seed, self.seed + self.samples)
        drawn = [self.model.predict_batch(frames, prompts, self.steps, seed, **conditions) for seed in seeds]
        if self.samples == 1:
            return [Prediction(picture) for picture in drawn[0]]
        return [_mean(np.stack(samples)) for samples in zip(*drawn, strict=True)]


def _mean(samples: np.ndarray) -> Prediction:
    """Mean and spread of samples (N, H, W, 3)."""
    values = samples.astype(np.float32)
    return Prediction(values.mean(axis=0).round().astype(np.uint8), {"diversity": float(values.std(axis=0).mean())})


def load_model(
    checkpoint: str,
    device: str = "auto",
    guidance_scale: float | None = None,
    image_guidance_scale: float | None = None,
) -> FramePredictor:
    """Loads a checkpoint folder, a hub id, or "shipped" for the one in the package.

    Args:
        guidance_scale, image_guidance_scale: replace the checkpoint's, unless None.

    Raises:
        FileNotFoundError, ValueError: as `FramePredictor.from_pretrained`; also for weights that are not finite, which
            would give black pictures.
    """
    model = FramePredictor.from_pretrained(
        named_checkpoint(checkpoint),
        device,
        engine="fast",  # which sees weights that change, and keeps nothing of a checkpoint that is opened once
        guidance_scale=guidance_scale,
        image_guidance_scale=image_guidance_scale,
    )
    for part in ("vae", "text_encoder", "unet"):
        weights = itertools.chain(getattr(model, part).parameters(), getattr(model, part).buffers())
        if not all(torch.isfinite(tensor).all() for tensor in weights if tensor.is_floating_point()):
            raise ValueError(f"{checkpoint}: {part} has weights that are not finite (NaN); its training diverged")
    return model


def untrain(model: FramePredictor, seed: int) -> FramePredictor:
    """Gives the UNet fresh random weights, as diffusers initialises them; autoencoder and text encoder stay."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = type(model.unet).from_config(model.unet.config)
    model.unet.load_state_dict(fresh.state_dict())
    return model
