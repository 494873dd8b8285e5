"""The state of a training run on disk: one safetensors file, replaced atomically, so that a kill never costs more than
the time since the last save."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from safetensors import safe_open
from safetensors.torch import save_file

FILE_NAME = "training_state.safetensors"


class ResumeError(ValueError):
    """The saved state does not belong to this run; the message says what differs."""


def save_state(
    folder: Path, accelerator: Accelerator, model: torch.nn.Module, optimizer, ema: EMAModel, step: int, identity: dict
) -> None:
    """Saves everything that the next step depends on. Data order and noise are functions of the step alone.

    Args:
        model, optimizer: as prepared by accelerate.
        step: steps done.
        identity: what a resumed run must have in common with this one.
    """
    if not accelerator.is_main_process:
        return
    tensors = {f"model.{name}": tensor for name, tensor in accelerator.unwrap_model(model).state_dict().items()}
    tensors |= {f"ema.{index}": tensor for index, tensor in enumerate(ema.shadow_params)}
    for index, entries in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in entries.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path = folder / FILE_NAME
    temporary = path.with_name(f".{FILE_NAME}.{os.getpid()}.tmp")
    save_file(tensors, temporary, metadata={"step": str(step), "identity": json.dumps(identity, sort_keys=True)})
    temporary.replace(path)


def load_state(
    folder: Path, accelerator: Accelerator, model: torch.nn.Module, optimizer, ema: EMAModel, identity: dict
) -> int:
    """Loads what `save_state` saved into the given objects, and returns the number of steps done; 0 without a file.

    Raises:
        ResumeError: the state belongs to another recipe or dataset.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return 0
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        _check_identity(path, json.loads(metadata["identity"]), json.loads(json.dumps(identity)))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    accelerator.unwrap_model(model).load_state_dict(_under(tensors, "model."))
    for index, parameter in enumerate(ema.shadow_params):
        parameter.copy_(tensors[f"ema.{index}"])
    ema.optimization_step = int(metadata["step"])
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in _under(tensors, "optimizer.").items():
        index, entry = name.split(".", 1)
        state.setdefault(int(index), {})[entry] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return int(metadata["step"])


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _check_identity(path: Path, saved: dict, current: dict) -> None:
    different = sorted(key for key in saved.keys() | current.keys() if saved.get(key) != current.get(key))
    if different:
        raise ResumeError(
            f"{path} belongs to another run: {', '.join(different)} differ. Use another --output, or delete that file"
        )
