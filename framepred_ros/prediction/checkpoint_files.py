"""What a checkpoint folder may hold, checked before any weight is read: a folder may come from anybody.

Nothing here runs code of the folder or allocates what its files claim: safetensors headers are checked by the
safetensors library against the files' sizes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

PIPELINE = "StableDiffusionInstructPix2PixPipeline"
SCHEDULERS = "Scheduler"  # any scheduler class of diffusers
COMPONENTS = {
    "vae": {("diffusers", "AutoencoderKL"), ("framepred_ros.patch_autoencoder", "PatchAutoencoder")},
    "text_encoder": {("transformers", "CLIPTextModel")},
    "tokenizer": {("transformers", "CLIPTokenizer"), ("transformers", "CLIPTokenizerFast")},
    "unet": {("diffusers", "UNet2DConditionModel")},
    "scheduler": {("diffusers", SCHEDULERS)},
}
WITH_WEIGHTS = ("vae", "text_encoder", "unet")
# Weights in F16, BF16, F32 or F64; old CLIP files store their position numbers in I64.
DTYPES = {"F16", "BF16", "F32", "F64", "I64"}
PROGRAMS = {".bin", ".ckpt", ".dill", ".joblib", ".msgpack", ".pickle", ".pkl", ".pt", ".pth", ".py", ".so"}
LARGEST_CHECKPOINT = 16 * 2**30  # bytes; Stable Diffusion 1.5 in float32 takes 4.3 GB
LARGEST_JSON = 16 * 2**20  # bytes


def check_checkpoint_files(folder: str | os.PathLike) -> None:
    """Check the components of a checkpoint folder without reading weights.

    Checked: the classes that `model_index.json` names; that every file lies inside the folder (or, for a download, in
    the hub's cache of the same model) and is no pickle or program; sizes; dtypes and sizes of all stored tensors.

    Raises:
        ValueError: something is not as it must be; the message names the folder, the file and the remedy.
    """
    folder = Path(folder)
    problem = next(_problems(folder), None)
    if problem:
        raise ValueError(f"{folder} cannot be loaded as a checkpoint: {problem}")


def _problems(folder: Path) -> Iterator[str]:
    index, problem = _read_json(folder, "model_index.json")
    yield from problem
    yield from _class_problems(index)
    total = 0
    for name in COMPONENTS:
        files = sorted(path for path in (folder / name).rglob("*") if not path.is_dir())
        if not files:
            yield f"the folder {name}/ is missing or empty; copy the whole checkpoint"
        for path in files:
            yield from _file_problems(folder, path)
            total += path.stat().st_size
        if name in WITH_WEIGHTS and not any(path.suffix == ".safetensors" for path in files):
            yield f"{name}/ has no .safetensors file; save the model with safe_serialization=True"
    if total > LARGEST_CHECKPOINT:
        yield f"it holds {total / 2**30:.0f} GiB, more than {LARGEST_CHECKPOINT // 2**30}"


def _class_problems(index: dict) -> Iterator[str]:
    if index.get("_class_name") != PIPELINE:
        yield f"model_index.json: _class_name must be {PIPELINE}, not {index.get('_class_name')!r}"
    for name, allowed in COMPONENTS.items():
        found = index.get(name)
        words = tuple(found) if isinstance(found, list) and all(isinstance(word, str) for word in found) else ()
        if name == "scheduler" and len(words) == 2 and words[1].endswith(SCHEDULERS):
            words = (words[0], SCHEDULERS)
        if words not in allowed:
            choice = " or ".join(f"{library}.{kind}" for library, kind in sorted(allowed))
            yield f"model_index.json: {name} must be {choice}, not {found!r}"


def _file_problems(folder: Path, path: Path) -> Iterator[str]:
    name = path.relative_to(folder)
    if not path.resolve().is_relative_to(_root(folder)):
        yield f"{name} is a link out of the folder, to {path.resolve()}; copy the file instead"
    elif not path.is_file():
        yield f"{name} is not a regular file"
    elif path.suffix.lower() in PROGRAMS:
        yield f"{name} could run code when it is opened; convert weights to safetensors and remove it"
    elif path.suffix == ".json":
        content, problem = _read_json(folder, str(name))
        yield from problem
        if "auto_map" in content:
            yield f"{name} names code of its own (auto_map), which is never run"
    elif path.suffix == ".safetensors":
        yield from (f"{name}: {reason}" for reason in _tensor_problems(path))


def _root(folder: Path) -> Path:
    """Where the folder's files may really lie: the hub's cache keeps a download's in `blobs` beside `snapshots`."""
    resolved = folder.resolve()
    return resolved.parents[1] if resolved.parent.name == "snapshots" else resolved


def _tensor_problems(path: Path) -> Iterator[str]:
    try:
        with safe_open(path, framework="numpy") as tensors:
            for key in tensors.keys():  # noqa: SIM118  (safe_open is no dictionary)
                dtype = tensors.get_slice(key).get_dtype()
                if dtype not in DTYPES:
                    yield f"tensor {key} is stored as {dtype}; models are stored as {', '.join(sorted(DTYPES))}"
    except (SafetensorError, OSError) as error:
        yield f"it is damaged, copy it again ({error})"


def _read_json(folder: Path, name: str) -> tuple[dict, list[str]]:
    """Return a JSON object and the reasons, at most one, why it cannot be had."""
    path = folder / name
    try:
        if path.stat().st_size > LARGEST_JSON:
            return {}, [f"{name} has {path.stat().st_size} bytes, more than {LARGEST_JSON}"]
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return {}, [f"{name} cannot be read as JSON: {error}"]
    return (value, []) if isinstance(value, dict) else ({}, [])
