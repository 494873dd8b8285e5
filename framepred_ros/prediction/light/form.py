"""The compiled form of a checkpoint: its graphs without their weights, which stay in the checkpoint's own files.

A form is a folder:

    form.json                 version, digest of the checkpoint, digests of the form's other files, where weights belong
    unet.xml.gz               OpenVINO's graph, which refers to one block of constants by offsets
    text_encoder.xml.gz
    constants.safetensors     what of those blocks is no weight, and the noise schedule
    tokenizer.json            of the library `tokenizers`

so that a checkpoint of 23 MB carries it for 50 kB. It belongs to one state of the checkpoint's files: see `digest`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from framepred_ros.files import file_digest

FOLDER = "openvino"  # of a checkpoint that carries its form
MANIFEST, CONSTANTS, TOKENIZER = "form.json", "constants.safetensors", "tokenizer.json"
GRAPHS = ("unet", "text_encoder")
FORMAT_VERSION = 1
LARGEST_FILE = 64 * 2**20  # bytes, also unpacked
WEIGHTS = {
    "vae": "vae/diffusion_pytorch_model.safetensors",
    "text_encoder": "text_encoder/model.safetensors",
    "unet": "unet/diffusion_pytorch_model.safetensors",
}
SETTINGS = (
    "vae/config.json",
    "text_encoder/config.json",
    "unet/config.json",
    "scheduler/scheduler_config.json",
)
NUMPY_DTYPES = {"F16", "F32"}  # of weights; NumPy has no bfloat16


class FormError(Exception):
    """A form cannot be used; the message says why."""


@dataclass(frozen=True)
class Graph:
    """One model's graph.

    Attributes:
        xml: in OpenVINO's intermediate representation.
        size: of its block of constants, bytes.
        weights: where each tensor of the checkpoint begins in that block, by the tensor's name.
        constants: uint8, what lies between the weights, in order.
    """

    xml: bytes
    size: int
    weights: dict[str, int]
    constants: np.ndarray

    def fill(self, block: np.ndarray, weights: Path) -> None:
        """Puts the block of constants together, with a checkpoint's weights as they are stored.

        Args:
            block: uint8 (size,), filled here.
            weights: safetensors file.

        Raises:
            FormError: a weight is missing or does not fit.
        """
        taken, end = 0, 0
        with safe_open(weights, framework="numpy") as tensors:
            for name, offset in sorted(self.weights.items(), key=lambda item: item[1]):
                try:
                    values = tensors.get_tensor(name).reshape(-1).view(np.uint8)
                except SafetensorError as error:
                    raise FormError(f"{weights} has no tensor {name}: {error}") from None
                if not end <= offset <= self.size - len(values):
                    raise FormError(f"tensor {name} of {weights} does not fit into the graph")
                taken = self._fill_gap(block[end:offset], taken)
                end = offset + len(values)
                block[offset:end] = values
        if self._fill_gap(block[end:], taken) != len(self.constants):
            raise FormError("its constants are not those of its graph")

    def _fill_gap(self, gap: np.ndarray, taken: int) -> int:
        """Fills a gap between weights with the next constants; returns how many bytes are taken by then."""
        constants = self.constants[taken : taken + len(gap)]
        if len(constants) != len(gap):
            raise FormError("its constants are not those of its graph")
        gap[:] = constants
        return taken + len(gap)


@dataclass(frozen=True)
class Form:
    """What `framepred_ros.prediction.light` runs beside a checkpoint's weights.

    Attributes:
        graphs: "unet" and "text_encoder".
        alphas: the scheduler's cumulative products, float32 (training timesteps,).
        final_alpha: the one after the last step.
        tokenizer: `tokenizers`' file.
    """

    graphs: dict[str, Graph]
    alphas: np.ndarray
    final_alpha: float
    tokenizer: str


def digest(checkpoint: Path) -> str:
    """SHA-256 of a checkpoint's weights and of what says how to run them."""
    total = hashlib.sha256()
    tokenizer = sorted(path.relative_to(checkpoint).as_posix() for path in (checkpoint / "tokenizer").glob("*"))
    for name in [*WEIGHTS.values(), *SETTINGS, *tokenizer]:
        total.update(f"{name} {file_digest(checkpoint / name)}\n".encode())
    return total.hexdigest()


def read_form(folder: Path, expected: str) -> Form:
    """Reads a form that belongs to the checkpoint of a digest.

    Raises:
        FormError: there is none, it belongs to other weights, or it is damaged.
    """
    try:
        return _read_form(folder, expected)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise FormError(f"{folder} is damaged ({type(error).__name__}: {error})") from None


def _read_form(folder: Path, expected: str) -> Form:
    if not (folder / MANIFEST).is_file():
        raise FormError(f"there is no {folder}")
    manifest = json.loads(_small_file(folder, MANIFEST))
    if manifest["format_version"] != FORMAT_VERSION:
        raise FormError(f"{folder} is of format {manifest['format_version']!r}, this version reads {FORMAT_VERSION}")
    if manifest["checkpoint"] != expected:
        raise FormError(f"{folder} was made of other weights or settings than the checkpoint's")
    for name in form_files():
        if hashlib.sha256(_small_file(folder, name)).hexdigest() != manifest["files"][name]:
            raise FormError(f"{folder / name} is not the file that was made")
    with safe_open(folder / CONSTANTS, framework="numpy") as constants:
        values = {name: constants.get_tensor(name) for name in (*GRAPHS, "alphas", "final_alpha")}
    graphs = {
        name: Graph(
            _unpacked(folder / f"{name}.xml.gz"),
            int(manifest["graphs"][name]["size"]),
            {str(key): int(offset) for key, offset in manifest["graphs"][name]["weights"].items()},
            values[name].view(np.uint8),
        )
        for name in GRAPHS
    }
    tokenizer = (folder / TOKENIZER).read_text(encoding="utf-8")
    return Form(graphs, values["alphas"], float(values["final_alpha"][0]), tokenizer)


def form_files() -> tuple[str, ...]:
    """The files of a form but its manifest."""
    return (*(f"{name}.xml.gz" for name in GRAPHS), CONSTANTS, TOKENIZER)


def _small_file(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.is_symlink() or path.stat().st_size > LARGEST_FILE:
        raise FormError(f"{path} is a link or larger than {LARGEST_FILE} bytes")
    return path.read_bytes()


def _unpacked(path: Path) -> bytes:
    with gzip.open(path) as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise FormError(f"{path} unpacks to more than {LARGEST_FILE} bytes")
    return content
