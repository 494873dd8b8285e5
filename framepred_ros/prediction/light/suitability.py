"""Whether a checkpoint is one that can be run without PyTorch, whatever is installed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from safetensors import safe_open

from framepred_ros.prediction.light.form import NUMPY_DTYPES, WEIGHTS
from framepred_ros.prediction.light.scheduler import scheduler_obstacle


def obstacle(checkpoint: Path) -> str:
    """Says why a valid checkpoint can only be run by PyTorch; empty if there is no such reason."""
    index = _read(checkpoint, "model_index.json")
    if index["vae"][1] != "PatchAutoencoder":
        return f"its autoencoder is {index['vae'][1]!r}, not 'PatchAutoencoder'"
    for name in WEIGHTS.values():
        if not (checkpoint / name).is_file():
            return f"its weights are not all in {name}"
        if others := _dtypes(checkpoint / name) - NUMPY_DTYPES:
            return f"{name} holds {', '.join(sorted(others))}"
    return scheduler_obstacle(_read(checkpoint, "scheduler/scheduler_config.json"))


def count_parameters(checkpoint: Path) -> int:
    """How many values the UNet's weights are."""
    with safe_open(checkpoint / WEIGHTS["unet"], framework="numpy") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118


def _read(checkpoint: Path, name: str) -> dict[str, Any]:
    return json.loads((checkpoint / name).read_text(encoding="utf-8"))


def _dtypes(weights: Path) -> set[str]:
    with safe_open(weights, framework="numpy") as tensors:
        return {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118
