"""Whether a checkpoint can be run without PyTorch here, and with which compiled form."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from framepred_ros.prediction.cache import cache_folder, keep, mark_used
from framepred_ros.prediction.checkpoint_files import check_checkpoint_files
from framepred_ros.prediction.engines import OPENVINO_PARAMETERS
from framepred_ros.prediction.light.form import (
    FOLDER,
    FORMAT_VERSION,
    Form,
    FormError,
    digest,
    read_form,
)
from framepred_ros.prediction.light.suitability import count_parameters, obstacle

PREFIX, KEPT_FORMS = "light-", 16
NEEDED = ("openvino", "tokenizers")
TORCH = ("torch", "diffusers", "transformers")
GPU_DRIVERS = ("libcuda.so.1", "nvcuda.dll")  # NVIDIA's, on Linux and Windows
AMD_GPU = Path("/dev/kfd")


class NotLight(Exception):
    """The checkpoint is one for PyTorch; the message says why, and what else could be done."""


def check_torch(checkpoint: Path, reason: NotLight) -> None:
    """Raises ImportError, with the reason why PyTorch is needed, unless it is installed."""
    missing = [name for name in TORCH if not _installed(name)]
    if missing:
        raise ImportError(
            f"{checkpoint} needs {', '.join(missing)}, not installed here (pip install framepred_ros[torch]), because "
            f"{reason}"
        )


def find_form(checkpoint: Path, device: Any, dtype: Any, engine: str) -> Form:
    """The compiled form to run a checkpoint with: the one that it carries, or one of the cache, made if need be.

    Args:
        checkpoint: its folder.
        device, dtype, engine: as `FramePredictor.from_pretrained` takes them.

    Raises:
        NotLight: this is for PyTorch.
        ValueError: the checkpoint's files are not valid.
    """
    _check_request(device, dtype, engine)
    check_checkpoint_files(checkpoint)
    if reason := obstacle(checkpoint):
        raise NotLight(reason)
    if engine == "auto" and _installed("torch") and count_parameters(checkpoint) not in OPENVINO_PARAMETERS:
        raise NotLight("engine 'auto' takes OpenVINO for UNets of other sizes")
    expected = digest(checkpoint)
    carried = checkpoint / FOLDER
    try:
        return read_form(carried, expected)
    except FormError as error:
        reason = str(error)
    if carried.is_dir():
        remedy = f"framepred export {checkpoint} -o {checkpoint}"
        warnings.warn(f"{reason}: it is not used. Make it anew: {remedy}", stacklevel=4)
    return _cached_form(checkpoint, expected, reason)


def runs_light_models() -> bool:
    """Whether a small checkpoint would be run without PyTorch here, unless something else is asked for."""
    return all(map(_installed, NEEDED)) and not (_installed("torch") and _has_gpu_driver())


def _check_request(device: Any, dtype: Any, engine: str) -> None:
    if engine not in ("auto", "openvino"):
        raise NotLight(f"engine {engine!r} is PyTorch's")
    if str(device) != "cpu" and (str(device) != "auto" or _has_gpu()):
        raise NotLight(f"device {str(device)!r} is PyTorch's")
    if dtype is not None and str(dtype) != "torch.float32":
        raise NotLight(f"{dtype} is PyTorch's")
    if missing := [name for name in NEEDED if not _installed(name)]:
        raise NotLight(f"{' and '.join(missing)} cannot be imported (pip install {' '.join(missing)})")


def _cached_form(checkpoint: Path, expected: str, reason: str) -> Form:
    """The form from the cache; made there if PyTorch is installed."""
    import openvino

    key = hashlib.sha256(f"{expected} {openvino.__version__} {FORMAT_VERSION}".encode()).hexdigest()[:32]
    folder = cache_folder() / f"{PREFIX}{key}"
    if folder.is_dir():
        try:
            form = read_form(folder, expected)
        except FormError:  # damaged
            shutil.rmtree(folder, ignore_errors=True)
        else:
            mark_used(folder)
            return form
    if not all(map(_installed, TORCH)):
        raise NotLight(f"{reason}. Where PyTorch is installed, this makes it: framepred export {checkpoint} -o FOLDER")
    from framepred_ros.prediction.light.export import write_form

    if not keep(lambda target: write_form(checkpoint, target), folder, PREFIX, KEPT_FORMS):
        raise NotLight(reason)
    return read_form(folder, expected)


def _has_gpu() -> bool:
    """Whether PyTorch would find a GPU; it is only asked, which takes seconds, where there is a driver for one."""
    if not _installed("torch"):
        return False
    if "torch" not in sys.modules and not _has_gpu_driver():
        return False
    import torch

    return torch.cuda.is_available()


def _has_gpu_driver() -> bool:
    return AMD_GPU.exists() or any(map(_loads, GPU_DRIVERS))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
