"""Weights that training starts from, by folder or hub id."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from framepred_ros.prediction.checkpoint import FILE_NAME as INFO_FILE
from framepred_ros.prediction.checkpoint import read_checkpoint_info, resolve_checkpoint
from framepred_ros.prediction.loading import load_pipeline

_LOADED = (".safetensors", ".json", ".txt")  # files in the folders of a checkpoint's models


class WeightsError(ValueError):
    """The weights cannot be had, or are not what training can start from; the message says what to do."""


def find_weights(name: str) -> Path:
    """The folder of weights that are named by a folder or by a hub id, downloaded if need be.

    Raises:
        WeightsError: there is no such folder, and the hub does not give them.
    """
    try:
        folder = resolve_checkpoint(name)
    except FileNotFoundError as error:
        raise WeightsError(
            f"model.weights: {error}. On a machine with a network, `hf download {name} --local-dir DIR` fetches them; "
            "then say model.weights=DIR"
        ) from error
    missing = [
        part for part in ("vae", "text_encoder", "tokenizer", "unet", "scheduler") if not (folder / part).is_dir()
    ]
    if missing:
        raise WeightsError(f"model.weights: {folder} lacks {', '.join(missing)}/ of diffusers' layout; copy it whole")
    return folder


def digest_weights(folder: Path) -> str:
    """A hash of what is loaded of a checkpoint's models: weights, sizes and words, not cards and scores."""
    digest = hashlib.sha256()
    for path in sorted(path for ending in _LOADED for path in folder.glob(f"*/*{ending}")):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        digest.update(f"{path.relative_to(folder)}\0".encode() + content)
    return digest.hexdigest()[:32]


def open_weights(folder: Path):
    """The pipeline of a checkpoint folder, float32 on the CPU. Raises WeightsError if it cannot be loaded."""
    try:
        return load_pipeline(folder, torch.device("cpu"), torch.float32)
    except ValueError as error:
        raise WeightsError(f"model.weights: {error}") from error


def check_horizon(folder: Path, horizon: int) -> None:
    """Raises WeightsError if the weights are a checkpoint that predicts another number of steps ahead."""
    if not (folder / INFO_FILE).is_file():
        return  # published weights predict nothing yet
    predicted = read_checkpoint_info(folder).horizon
    if predicted != horizon:
        raise WeightsError(
            f"model.weights {folder} predict {predicted} steps ahead, but the dataset's pairs are {horizon} steps "
            f"apart; build a dataset with --horizon {predicted}, or take other weights"
        )
