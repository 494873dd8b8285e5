"""The UNet compiled by OpenVINO, which makes more of a CPU than PyTorch does. Needs the extra `[openvino]`."""

import hashlib
import json
import os
import tempfile
import warnings
from pathlib import Path

import diffusers
import torch

CACHE_VARIABLE = "FRAMEPRED_CACHE"


class OpenVinoUNet:
    """Stands in for a `diffusers.UNet2DConditionModel` when sampling; float32 on the CPU, any size and batch.

    Tracing the UNet takes seconds, so the result is kept in `cache_folder()`, by the weights' checksum.

    Raises:
        ImportError: OpenVINO is not installed.
        ValueError: the UNet is on another device, or of another dtype.
    """

    def __init__(self, unet):
        if unet.device.type != "cpu" or unet.dtype != torch.float32:
            raise ValueError(f"engine 'openvino' runs on the cpu in float32, not on {unet.device} in {unet.dtype}")
        try:
            import openvino
        except ImportError as error:
            raise ImportError("engine 'openvino' needs OpenVINO: pip install framepred_ros[openvino]") from error
        core = openvino.Core()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # by itself OpenVINO would round to bfloat16
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        self._compiled = core.compile_model(core.read_model(_traced(unet, openvino)), "CPU", settings)

    def __call__(self, *arguments, **keywords):
        """As PyTorch's modules have it."""
        return self.forward(*arguments, **keywords)

    def forward(self, sample, timestep, encoder_hidden_states, return_dict=False):
        """Arguments and result as those of the UNet; the result is a 1-tuple."""
        timestep = torch.as_tensor(timestep, dtype=torch.float32)
        inputs = [tensor.contiguous().numpy() for tensor in (sample, timestep, encoder_hidden_states)]
        return (torch.from_numpy(self._compiled(inputs)[0]),)


def cache_folder() -> Path:
    """Where traced models are kept: $FRAMEPRED_CACHE, or framepred_ros in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return (
        Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "framepred_ros"
    )


def _traced(unet, openvino) -> Path:
    """The file of the UNet as an OpenVINO model, traced first if it is not there yet."""
    folder = cache_folder() / f"openvino-{_checksum(unet, openvino.__version__)}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            target = Path(temporary) / "model"
            openvino.save_model(_trace(unet, openvino), target / "unet.xml", compress_to_fp16=False)
            try:
                target.rename(folder)
            except OSError:  # another process was faster
                if not folder.is_dir():
                    raise
    return folder / "unet.xml"


def _trace(unet, openvino):
    config = unet.config
    sizes = config.sample_size if isinstance(config.sample_size, (tuple, list)) else (config.sample_size,) * 2
    example = (
        torch.zeros(1, config.in_channels, *sizes),
        torch.tensor(999.0),
        torch.zeros(1, 8, config.cross_attention_dim),
    )
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # of checks that hold for every size
        return openvino.convert_model(_Positional(unet), example_input=example)


class _Positional(torch.nn.Module):
    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timestep, embeddings):
        return self.unet(sample, timestep, encoder_hidden_states=embeddings, return_dict=False)[0]


def _checksum(unet, openvino_version: str) -> str:
    versions = [openvino_version, diffusers.__version__, torch.__version__]
    digest = hashlib.sha256(json.dumps([versions, dict(unet.config)], sort_keys=True, default=str).encode())
    for name, tensor in sorted(unet.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()[:32]
