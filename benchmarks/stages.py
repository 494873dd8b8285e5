"""How long a prediction takes, and each of its stages."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from benchmarks.floor import synchronize
from framepred_ros.prediction.predictor import FramePredictor

STAGES = ("preprocess", "encode", "unet", "decode", "postprocess", "other")
"""Resizing and moving to the device; the autoencoder's encoder; all passes of the UNet; the autoencoder's decoder;
mask, denoising, blending and moving back; and the rest, which is mostly the sampler."""


@dataclass(frozen=True)
class Timing:
    """Medians over `calls` calls, in seconds: of the whole call, and of each stage."""

    seconds: float
    stages: dict[str, float]
    calls: int


def time_predictor(
    predictor: FramePredictor,
    images: Sequence[np.ndarray],
    instructions: Sequence[str],
    calls: int,
    warm_up: int = 2,
    steps: int | None = None,
) -> Timing:
    """Times `predict_batch` on the images, uint8 RGB (H, W, 3); the first `warm_up` calls do not count."""
    totals, stages = [], defaultdict(list)
    with _stopwatch(predictor) as spent:
        for call in range(warm_up + calls):
            spent.clear()
            started = time.perf_counter()
            predictor.predict_batch(images, instructions, steps=steps)
            total = time.perf_counter() - started
            if call < warm_up:
                continue
            totals.append(total)
            for stage, seconds in _stages(spent, total).items():
                stages[stage].append(seconds)
    return Timing(statistics.median(totals), {stage: statistics.median(stages[stage]) for stage in STAGES}, calls)


def _stages(spent: dict[str, float], total: float) -> dict[str, float]:
    parts = {stage: spent[stage] for stage in ("preprocess", "encode", "unet", "decode")}
    parts["postprocess"] = spent["render"] - spent["decode"]
    return parts | {"other": total - sum(parts.values())}


@contextmanager
def _stopwatch(predictor: FramePredictor) -> Iterator[dict[str, float]]:
    """Adds up the seconds spent in the predictor's methods while the block runs."""
    spent: dict[str, float] = defaultdict(float)
    places = (
        (predictor, "_pixels", "preprocess"),
        (predictor.vae, "encode", "encode"),
        (getattr(predictor.sampler, "unet", predictor.unet), "forward", "unet"),
        (predictor, "_render", "render"),
        (predictor, "_decode", "decode"),
    )
    for owner, name, key in places:
        setattr(owner, name, _timed(getattr(owner, name), key, spent, predictor))
    try:
        yield spent
    finally:
        for owner, name, _ in places:
            delattr(owner, name)  # the class's own method shows again


def _timed(method: Callable, key: str, spent: dict[str, float], predictor: FramePredictor) -> Callable:
    def wrapper(*arguments, **keywords):
        synchronize(predictor.device)
        started = time.perf_counter()
        try:
            return method(*arguments, **keywords)
        finally:
            synchronize(predictor.device)
            spent[key] += time.perf_counter() - started

    return wrapper
