"""Weights that training starts from, by folder or hub id."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import torch

from framepred_ros.files import file_digest
from framepred_ros.prediction.checkpoint import FILE_NAME as INFO_FILE
from framepred_ros.prediction.checkpoint import named_checkpoint, read_checkpoint_info
from framepred_ros.prediction.loading import load_pipeline
from training.dataset.index import DatasetManifest

_TOLERANCE = 0.02  # of durations: rates of recorded cameras are only about the same
_LOADED = (".safetensors", ".json", ".txt")  # files in the folders of a checkpoint's models


class WeightsError(ValueError):
    """The weights cannot be had, or are not what training can start from; the message says what to do."""


def find_weights(name: str) -> Path:
    """The folder of weights that are named by a folder or by a hub id, downloaded if need be, or by "shipped".

    Raises:
        WeightsError: there is no such folder, and the hub does not give them.
    """
    try:
        folder = named_checkpoint(name)
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
        content = bytes.fromhex(file_digest(path))
        digest.update(f"{path.relative_to(folder)}\0".encode() + content)
    return digest.hexdigest()[:32]


def open_weights(folder: Path):
    """The pipeline of a checkpoint folder, float32 on the CPU. Raises WeightsError if it cannot be loaded."""
    try:
        return load_pipeline(folder, torch.device("cpu"), torch.float32)
    except ValueError as error:
        raise WeightsError(f"model.weights: {error}") from error


def check_horizon(folder: Path, manifest: DatasetManifest) -> None:
    """Checks that weights predict as far ahead as the dataset's pairs are apart, in seconds.

    A checkpoint with several horizons, or with a past, counts both in steps: the dataset's steps must last as long as
    its own, and the dataset's horizon must be one of its horizons.

    Raises:
        WeightsError: they do not fit.
    """
    if not (folder / INFO_FILE).is_file():
        return  # published weights predict nothing yet
    info = read_checkpoint_info(folder)
    step, steps_differ = info.step_duration, False
    if step is not None:
        steps_differ = not math.isclose(step, manifest.step_duration, rel_tol=_TOLERANCE)
    if steps_differ and (info.horizons or info.history):
        raise WeightsError(
            f"model.weights: {folder} was trained on steps of {step:g} s, in which it counts "
            f"{'horizons' if info.horizons else 'the past'}, but the dataset's last {manifest.step_duration:g} s; "
            f"build the dataset anew with --fps {1 / step:.4g}, or take other weights"
        )
    shortest, longest = info.horizons or (info.horizon, info.horizon)
    if not steps_differ:
        fits = shortest <= manifest.horizon <= longest
    else:
        fits = math.isclose(info.horizon * step, manifest.horizon * manifest.step_duration, rel_tol=_TOLERANCE)
    if not fits:
        wanted = round(info.horizon * (step or manifest.step_duration) / manifest.step_duration)
        raise WeightsError(
            f"model.weights: {folder} predicts {_reach(shortest, longest, step)} ahead, but the dataset's pairs are "
            f"{_reach(manifest.horizon, manifest.horizon, manifest.step_duration)} apart; build a dataset with "
            f"--horizon {max(1, wanted)}, or take other weights"
        )


def _reach(shortest: int, longest: int, step: float | None) -> str:
    """Steps and, where they are known, seconds."""
    steps = f"{shortest} steps" if shortest == longest else f"{shortest} to {longest} steps"
    if step is None:
        return steps
    seconds = f"{shortest * step:.3g} s" if shortest == longest else f"{shortest * step:.3g} to {longest * step:.3g} s"
    return f"{steps} ({seconds})"
