"""The floor under a prediction: what the processor would need for its arithmetic, or for reading its weights, alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from framepred_ros.prediction.predictor import FramePredictor

_REPEATS = 5


@dataclass(frozen=True)
class Floor:
    """What a prediction needs and what the device was measured to do.

    Attributes:
        operations: floating point operations of a prediction's matrix products and convolutions.
        operations_per_second: measured on a large matrix product in the model's dtype.
        weight_bytes: weights that a prediction reads, the UNet's once per step.
        bytes_per_second: measured on a large copy; read and written bytes both count.
    """

    operations: int
    operations_per_second: float
    weight_bytes: int
    bytes_per_second: float

    @property
    def seconds(self) -> float:
        """Seconds that one prediction takes at least."""
        return max(self.operations / self.operations_per_second, self.weight_bytes / self.bytes_per_second)


def measure_floor(predictor: FramePredictor, image: np.ndarray, instruction: str) -> Floor:
    """Counts the work of predicting from `image`, uint8 RGB (H, W, 3), and measures the device."""
    predictor.predict(image, instruction)  # encodes the instruction, which a camera's next frame finds cached
    with FlopCounterMode(display=False) as counter:
        predictor.predict(image, instruction)
    return Floor(
        operations=counter.get_total_flops(),
        operations_per_second=matrix_rate(predictor.device, predictor.dtype),
        weight_bytes=_weight_bytes(predictor.unet) * predictor.info.steps + _weight_bytes(predictor.vae),
        bytes_per_second=_copy_rate(predictor.device),
    )


def synchronize(device: torch.device) -> None:
    """Waits until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _weight_bytes(module: torch.nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating point operations per second of a large matrix product."""
    side = 8192 if device.type == "cuda" else 1536
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / best_seconds(lambda: a @ b, device)


def _copy_rate(device: torch.device) -> float:
    source = torch.zeros(2**28, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    return 2 * source.numel() / best_seconds(lambda: target.copy_(source), device)


def best_seconds(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest of five runs of some work on a device, after one that does not count."""
    seconds = []
    for _ in range(1 + _REPEATS):  # the first warms up
        synchronize(device)
        started = time.perf_counter()
        work()
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])
