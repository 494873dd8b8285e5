"""Makes the compiled form of a checkpoint; needs PyTorch, which running it does not."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from framepred_ros.files import replacing_folder
from framepred_ros.prediction.checkpoint import read_checkpoint_info, resolve_checkpoint, write_checkpoint_info
from framepred_ros.prediction.checkpoint_files import COMPONENTS, check_checkpoint_files
from framepred_ros.prediction.light.form import (
    CONSTANTS,
    FOLDER,
    FORMAT_VERSION,
    GRAPHS,
    MANIFEST,
    TOKENIZER,
    WEIGHTS,
    digest,
    form_files,
)
from framepred_ros.prediction.light.suitability import obstacle
from framepred_ros.prediction.loading import load_pipeline
from framepred_ros.prediction.openvino_unet import trace, trace_unet

SMALLEST_WEIGHT = 64  # bytes; a smaller constant is kept with the graph, wherever it comes from
# Conversions of weights from half precision are marked as OpenVINO marks its own, which its Python has no word for. The
# CPU plugin then makes no second copy of them.
STORED = "stored "
STORED_CONVERSION = re.compile(rb'(<layer [^>]*name="stored [^>]*type="Convert"[^>]*>\s*<data [^>]*/>)')
AS_DECOMPRESSION = rb'\1<rt_info><attribute name="decompression" version="0" /></rt_info>'


def export_checkpoint(checkpoint: str | Path, out: Path) -> Path:
    """Writes a copy of a checkpoint that carries its compiled form, for machines without PyTorch.

    Args:
        checkpoint: folder or hub id.
        out: a folder that does not exist yet; or the checkpoint's own, which then gets its form.

    Returns:
        the folder.

    Raises:
        FileNotFoundError, ValueError: there is no such checkpoint, it can only be run by PyTorch, or something else is
            at `out`.
    """
    folder = resolve_checkpoint(checkpoint)
    info = read_checkpoint_info(folder)
    check_checkpoint_files(folder)
    if reason := obstacle(folder):
        raise ValueError(f"{folder} cannot be run without PyTorch: {reason}")
    target = Path(out)
    if target.exists() and not target.samefile(folder):
        raise ValueError(f"{target} exists; name a new folder, or the checkpoint's own, which then gets its form")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"no such folder for the output: {target.parent}")
    if target.exists():
        with replacing_folder(target / FOLDER) as temporary:
            write_form(folder, temporary)
        return target
    with replacing_folder(target) as temporary:
        temporary.mkdir()
        for name in COMPONENTS:
            shutil.copytree(folder / name, temporary / name)
        shutil.copy(folder / "model_index.json", temporary)
        write_checkpoint_info(temporary, info)
        write_form(temporary, temporary / FOLDER)
    return target


def write_form(checkpoint: Path, target: Path) -> None:
    """Makes a checkpoint's compiled form: see `framepred_ros.prediction.light.form`.

    Args:
        checkpoint: a folder for which `framepred_ros.prediction.light.suitability.obstacle` knows none.
        target: a folder that does not exist yet.
    """
    import openvino

    pipeline = load_pipeline(checkpoint, torch.device("cpu"), torch.float32)
    models = {
        "unet": trace_unet(pipeline.unet, openvino),
        "text_encoder": trace_text_encoder(pipeline.text_encoder, pipeline.tokenizer.model_max_length, openvino),
    }
    target.mkdir(parents=True)
    graphs, constants = {}, _schedule(pipeline.scheduler)
    for name in GRAPHS:
        weights = load_file(checkpoint / WEIGHTS[name])
        xml, block = _saved(_with_stored_types(models.pop(name), weights, openvino), openvino)
        graphs[name], constants[name] = _without_weights(xml, block, weights)
        (target / f"{name}.xml.gz").write_bytes(gzip.compress(xml, mtime=0))
    save_file(constants, target / CONSTANTS)
    (target / CONSTANTS).chmod((target / f"{GRAPHS[0]}.xml.gz").stat().st_mode)  # as the other files: readable by all
    (target / TOKENIZER).write_text(_tokenizer_file(pipeline.tokenizer), encoding="utf-8")
    manifest = {
        "format_version": FORMAT_VERSION,
        "made_by": {"openvino": openvino.__version__, "torch": torch.__version__},
        "checkpoint": digest(checkpoint),
        "files": {name: hashlib.sha256((target / name).read_bytes()).hexdigest() for name in form_files()},
        "graphs": graphs,
    }
    (target / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def trace_text_encoder(text_encoder, length: int, openvino):
    """A `transformers.CLIPTextModel` as an OpenVINO model, from tokens int64 (N, length) to embeddings."""
    example = torch.zeros(1, length, dtype=torch.int64)
    return trace(_Embedding(text_encoder), example, openvino)


class _Embedding(torch.nn.Module):
    def __init__(self, text_encoder):
        super().__init__()
        self.text_encoder = text_encoder

    def forward(self, tokens):
        return self.text_encoder(tokens)[0]


def _with_stored_types(model, weights: dict[str, np.ndarray], openvino):
    """The model with its weights as they are stored: in half precision, they take half as much memory when loading."""
    halves = {values.astype(np.float32).tobytes(): values for values in weights.values() if values.dtype == np.float16}
    for constant in model.get_ops():
        if constant.get_type_name() != "Constant" or constant.get_byte_size() < SMALLEST_WEIGHT:
            continue
        values = halves.get(constant.data.tobytes())
        if values is not None:
            stored = openvino.opset13.constant(values.reshape(constant.data.shape))
            whole = openvino.opset13.convert(stored, "f32", name=f"{STORED}{constant.get_friendly_name()}")
            for use in constant.output(0).get_target_inputs():
                use.replace_source_output(whole.output(0))
    return model


def _saved(model, openvino) -> tuple[bytes, np.ndarray]:
    """The model's graph and its block of constants, uint8."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        return STORED_CONVERSION.sub(AS_DECOMPRESSION, path.read_bytes()), np.fromfile(
            path.with_suffix(".bin"), np.uint8
        )


def _without_weights(
    xml: bytes, block: np.ndarray, weights: dict[str, np.ndarray]
) -> tuple[dict[str, Any], np.ndarray]:
    """Where the weights are in a block of constants, and the rest of the block, uint8.

    A constant is a weight if its bytes are those of one: which one of several equal ones does not matter.
    """
    names: dict[bytes, str] = {}
    for name, values in weights.items():
        if values.size * 4 >= SMALLEST_WEIGHT:
            names.setdefault(values.tobytes(), name)
    found: dict[str, int] = {}
    rest, end = [], 0
    for offset, size in sorted(_constants(xml)):
        weight = names.get(block[offset : offset + size].tobytes())
        if weight is not None and offset >= end and weight not in found:
            found[weight] = offset
            rest.append(block[end:offset])
            end = offset + size
    rest.append(block[end:])
    return {"size": len(block), "weights": found}, np.concatenate(rest)


def _constants(xml: bytes) -> set[tuple[int, int]]:
    """Offsets and sizes, in bytes, of a graph's constants."""
    data = ElementTree.fromstring(xml).iterfind(".//layer[@type='Const']/data")
    return {(int(each.attrib["offset"]), int(each.attrib["size"])) for each in data}


def _schedule(scheduler) -> dict[str, np.ndarray]:
    final = np.array([float(scheduler.final_alpha_cumprod)], np.float32)
    return {"alphas": scheduler.alphas_cumprod.float().numpy(), "final_alpha": final}


def _tokenizer_file(tokenizer) -> str:
    """The file of a transformers tokenizer with the padding and truncation that the runtime asks it for."""
    length = tokenizer.model_max_length
    own = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    own.enable_truncation(length)
    own.enable_padding(length=length, pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    return own.to_str()
