"""The patch autoencoder without PyTorch, from frames' bytes to latents and from latents to levels.

See `framepred_ros.patch_autoencoder.PatchAutoencoder`. Each way is one matrix product, as two small graphs of OpenVINO:
NumPy takes two to four times as long, and its idle threads wait in a loop: at 30 Hz they keep most of a core busy.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from openvino import Model
from openvino import opset13 as ops
from safetensors.numpy import load_file

from framepred_ros.prediction.light.form import WEIGHTS
from framepred_ros.prediction.light.graphs import Compiler, concatenated

COLOURS = 3


class LightAutoencoder:
    """Reads the weights of a checkpoint's autoencoder.

    Args:
        checkpoint: the folder.
        compiler: of the graphs.

    Attributes:
        patch_size: pixels.
        latent_channels: C below.
        scaling_factor: by which latents are multiplied for the UNet.
    """

    def __init__(self, checkpoint: Path, compiler: Compiler):
        config = json.loads((checkpoint / "vae" / "config.json").read_text(encoding="utf-8"))
        self.patch_size, self.latent_channels = int(config["patch_size"]), int(config["latent_channels"])
        self.scaling_factor = float(config["scaling_factor"])
        weights = {name: values.astype(np.float32) for name, values in load_file(checkpoint / WEIGHTS["vae"]).items()}
        self._encoder = compiler.compile(self._encoding(**weights))
        self._decoder = compiler.compile(self._decoding(**weights))

    def encode(self, pictures: np.ndarray) -> np.ndarray:
        """Latents float32 (N, C, h / patch_size, w / patch_size) of pictures, uint8 (N, 3, h, w)."""
        return self._encoder(pictures.transpose(0, 2, 3, 1))

    def decode(self, *latents: np.ndarray) -> list[np.ndarray]:
        """Pictures float32 (N, 3, H, W) in 0..255 of each of the latents (N, C, h, w)."""
        return np.split(self._decoder(concatenated(latents)), len(latents))

    def _encoding(self, components: np.ndarray, mean: np.ndarray, std: np.ndarray) -> Model:
        """From uint8 (N, H, W, 3), as frames lie in memory."""
        frames = ops.parameter([-1, -1, -1, COLOURS], np.uint8)
        levels = ops.convert(ops.transpose(frames, [0, 3, 1, 2]), "f32")
        pixels = ops.subtract(ops.divide(levels, np.float32(127.5)), (1 + mean).reshape(1, -1, 1, 1))
        stride, none = [self.patch_size] * 2, [0, 0]
        latents = ops.convolution(pixels, ops.constant(components), stride, none, none, [1, 1])
        return Model([ops.divide(latents, std.reshape(1, -1, 1, 1))], [frames])

    def _decoding(self, components: np.ndarray, mean: np.ndarray, std: np.ndarray) -> Model:
        side = self.patch_size
        latents = ops.parameter([-1, self.latent_channels, -1, -1], np.float32)
        scaled = ops.transpose(ops.multiply(latents, std.reshape(1, -1, 1, 1)), [0, 2, 3, 1])
        product = ops.matmul(scaled, ops.constant(components.reshape(self.latent_channels, -1)), False, False)
        shape = ops.shape_of(latents)
        count, rows, columns = (ops.gather(shape, [axis], 0) for axis in (0, 2, 3))
        patches = ops.reshape(product, ops.concat([count, rows, columns, np.array([COLOURS, side, side])], 0), False)
        height, width = (ops.multiply(sides, np.array([side])) for sides in (rows, columns))
        size = ops.concat([count, np.array([COLOURS]), height, width], 0)
        pixels = ops.reshape(ops.transpose(patches, [0, 3, 1, 4, 2, 5]), size, False)
        levels = ops.multiply(ops.add(pixels, (1 + mean).reshape(1, -1, 1, 1)), np.float32(127.5))
        return Model([ops.clamp(levels, 0.0, 255.0)], [latents])
