"""The UNet compiled by OpenVINO, which is faster on a CPU than PyTorch. For checkpoints that PyTorch runs."""

import hashlib
import json
import shutil
import warnings

import diffusers
import torch

from framepred_ros.prediction.cache import cache_folder, keep, mark_used

PREFIX, MODEL = "openvino-", "unet.xml"
KEPT_MODELS = 8


class OpenVinoUNet:
    """Stands in for a `diffusers.UNet2DConditionModel` when sampling; float32 on the CPU, any size and batch.

    Tracing the UNet takes seconds, so the result is kept in the cache, under the weights' checksum; the last used
    `KEPT_MODELS` models stay there. Where nothing can be kept, every start traces anew, after a warning.

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
            raise ImportError("engine 'openvino' needs OpenVINO: pip install openvino") from error
        core = openvino.Core()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # by itself OpenVINO would round to bfloat16
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        self._compiled = core.compile_model(_traced(unet, core, openvino), "CPU", settings)

    def __call__(self, *arguments, **keywords):
        """As PyTorch's modules have it."""
        return self.forward(*arguments, **keywords)

    def forward(self, sample, timestep, encoder_hidden_states, class_labels=None, return_dict=False):
        """Arguments and result as those of the UNet; the result is a 1-tuple."""
        timestep = torch.as_tensor(timestep, dtype=torch.float32)
        given = [sample, timestep, encoder_hidden_states] + ([] if class_labels is None else [class_labels])
        inputs = [tensor.contiguous().numpy() for tensor in given]
        return (torch.from_numpy(self._compiled(inputs)[0]),)


def _traced(unet, core, openvino):
    """The UNet as an OpenVINO model, traced if it has not been before."""
    folder = cache_folder() / f"{PREFIX}{_checksum(unet, openvino.__version__)}"
    if folder.is_dir():
        mark_used(folder)
        try:
            return core.read_model(folder / MODEL)
        except RuntimeError:  # a damaged file
            shutil.rmtree(folder, ignore_errors=True)
    model = trace_unet(unet, openvino)
    keep(lambda target: openvino.save_model(model, target / MODEL, compress_to_fp16=False), folder, PREFIX, KEPT_MODELS)
    return model


def trace_unet(unet, openvino):
    """A `diffusers.UNet2DConditionModel` as an OpenVINO model for any size and batch; takes seconds."""
    config = unet.config
    # Odd at every level, so that the UNet upsamples to the sizes of its inputs; otherwise it would just double them.
    side = 2 ** len(config.block_out_channels) + 1
    example = (
        torch.zeros(1, config.in_channels, side, side),
        torch.tensor(999.0),
        torch.zeros(1, 8, config.cross_attention_dim),
        *([torch.zeros(1)] if config.class_embed_type else []),
    )
    return trace(_Positional(unet), example, openvino)


def trace(module, example, openvino):
    """A PyTorch module as an OpenVINO model, from an example of its arguments."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # checks that hold for every input; PyTorch's plans for its tracer
        # By itself OpenVINO would let PyTorch trace twice and compare.
        traced = torch.jit.trace(module, example, check_trace=False)
        return openvino.convert_model(traced, example_input=example)


class _Positional(torch.nn.Module):
    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timestep, embeddings, labels=None):
        return self.unet(sample, timestep, encoder_hidden_states=embeddings, class_labels=labels, return_dict=False)[0]


def _checksum(unet, openvino_version: str) -> str:
    versions = [openvino_version, diffusers.__version__, torch.__version__]
    digest = hashlib.sha256(json.dumps([versions, dict(unet.config)], sort_keys=True, default=str).encode())
    for name, tensor in sorted(unet.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()[:32]
