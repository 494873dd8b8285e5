"""The states of a training run on disk: files replaced atomically, so that a kill at any moment never costs more than
the steps since the last save."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from framepred_ros.files import replacing
from training.trainer.average import WeightAverage
from training.trainer.recipe_file import complete_identity

FOLDER_NAME = "states"
# Keys of a run's identity that states of earlier versions do not have.
LATER_KEYS = frozenset({"dataset", "validation_episodes", "weights"})
# Whole tensors by parameter name, however the model is wrapped or sharded; frozen weights are read from their source.
OPTIONS = StateDictOptions(full_state_dict=True, ignore_frozen_params=True)
SAVE_OPTIONS = StateDictOptions(full_state_dict=True, ignore_frozen_params=True, cpu_offload=True)  # main process only

logger = logging.getLogger(__name__)


class ResumeError(ValueError):
    """The saved state does not belong to this run; the message says what differs."""


@dataclass(frozen=True)
class Training:
    """What a state holds: model and optimiser as prepared by accelerate, and the average of the weights or None."""

    accelerator: Accelerator
    model: torch.nn.Module
    optimizer: Any
    ema: WeightAverage | None

    def weights(self) -> dict[str, torch.Tensor]:
        """The trained weights by name, on the CPU of the main process."""
        return _copied(get_model_state_dict(self.model, options=SAVE_OPTIONS))

    def averaged_weights(self) -> dict[str, torch.Tensor]:
        """The average of the trained weights, or the weights themselves where no average is kept."""
        if self.ema is None:
            return self.weights()
        parameters = trainable(self.model)
        self.ema.store(parameters)
        self.ema.copy_to(parameters)
        try:
            return self.weights()
        finally:
            self.ema.restore(parameters)


def trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The parameters that are trained."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def save_state(folder: Path, training: Training, step: int, identity: dict, keep: int) -> None:
    """Saves everything that the next step depends on. Random draws follow from the step's number and need no saving.

    All processes call it, and the main one writes. All but the newest `keep` states are removed.

    Args:
        folder: the run's output folder.
        step: steps done.
        identity: what a resumed run must have in common with this one.

    Raises:
        OSError: the file cannot be written; older states stay as they are.
    """
    tensors = {f"model.{name}": tensor for name, tensor in training.weights().items()}
    tensors |= {f"ema.{name}": tensor for name, tensor in training.averaged_weights().items() if training.ema}
    optimizer = get_optimizer_state_dict(training.model, training.optimizer.optimizer, options=SAVE_OPTIONS)
    for name, entries in optimizer.get("state", {}).items():
        tensors |= {f"optimizer.{name}/{entry}": tensor.contiguous() for entry, tensor in entries.items()}
    if not training.accelerator.is_main_process:
        return
    scaler = training.accelerator.scaler
    metadata = {
        "step": str(step),
        "identity": json.dumps(identity, sort_keys=True),
        "scaler": json.dumps(scaler.state_dict() if scaler else None),
    }
    (folder / FOLDER_NAME).mkdir(exist_ok=True)
    _write(folder / FOLDER_NAME / f"step_{step:08d}.safetensors", tensors, metadata)
    for path in saved_states(folder)[keep:]:
        path.unlink()


def read_identity(folder: Path) -> dict | None:
    """The identity of the newest readable state, as it was given to `save_state`; None where there is none."""
    return next((identity for _, identity in _identities(folder)), None)


def check_identity(folder: Path, identity: dict) -> None:
    """Raises ResumeError if the newest readable state in the folder belongs to another recipe, dataset or weights."""
    for path, saved in _identities(folder):
        _check_identity(path, saved, identity)
        return


def load_state(folder: Path, training: Training, identity: dict) -> int:
    """Loads the newest readable state into the given objects, and returns its number of steps; 0 without a state.

    Entries of `identity` that the program which wrote the state did not know yet are not compared.

    Raises:
        ResumeError: the state belongs to another recipe or dataset, or none of the states can be read.
    """
    for path in saved_states(folder):
        try:
            tensors, metadata = _read(path)
        except (SafetensorError, OSError) as error:
            logger.warning("%s is damaged (%s); trying the state before it", path, error)
            continue
        _check_identity(path, json.loads(metadata["identity"]), identity)
        _restore(training, tensors, metadata)
        return int(metadata["step"])
    if saved_states(folder):
        raise ResumeError(f"{folder / FOLDER_NAME}: none of the states can be read; delete the folder to start anew")
    return 0


def saved_states(folder: Path) -> list[Path]:
    """The files of the saved states, newest first."""
    return sorted((folder / FOLDER_NAME).glob("step_*.safetensors"), reverse=True)


def _restore(training: Training, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    optimizer = training.optimizer.optimizer
    expected = get_optimizer_state_dict(training.model, optimizer, options=OPTIONS)
    states: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in _under(tensors, "optimizer.").items():
        parameter, entry = name.rsplit("/", 1)
        states.setdefault(parameter, {})[entry] = tensor
    set_optimizer_state_dict(training.model, optimizer, {**expected, "state": states}, options=OPTIONS)
    if training.ema is not None:
        # The model loads them, because it knows how its parameters are wrapped or sharded.
        _load_weights(training.model, _under(tensors, "ema."))
        training.ema.shadow_params = [parameter.detach().clone() for parameter in trainable(training.model)]
        training.ema.optimization_step = int(metadata["step"])
    _load_weights(training.model, _under(tensors, "model."))
    scaler = json.loads(metadata["scaler"])
    if scaler and training.accelerator.scaler:
        training.accelerator.scaler.load_state_dict(scaler)


def _load_weights(model: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    missing = get_model_state_dict(model, options=OPTIONS).keys() ^ weights.keys()
    if missing:
        raise ResumeError(f"the state and the model have different weights, such as {sorted(missing)[0]}")
    set_model_state_dict(model, weights, options=StateDictOptions(full_state_dict=True, strict=False))


def _write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    try:
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata=metadata)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
    except (SafetensorError, OSError) as error:
        raise OSError(f"{path} cannot be written: {error}. Make room; --resume auto continues") from error


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118  (no mapping)


def _copied(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Copies that stay as they are when the model goes on, as safetensors wants them."""
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in weights.items()}


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _identities(folder: Path) -> Iterator[tuple[Path, dict]]:
    """The readable states, newest first, and their identities."""
    for path in saved_states(folder):
        try:
            with safe_open(path, "pt") as file:
                yield path, json.loads(file.metadata()["identity"])
        except (SafetensorError, OSError):
            continue


def _check_identity(path: Path, saved: dict, identity: dict) -> None:
    current, saved = json.loads(json.dumps(identity)), complete_identity(saved)
    keys = saved.keys() | current.keys() - (LATER_KEYS - saved.keys())
    different = sorted(key for key in keys if saved.get(key) != current.get(key))
    if different:
        raise ResumeError(
            f"{path} belongs to another run: {', '.join(different)} differ. Use another --output, or delete the folder "
            "of that file to start anew"
        )
