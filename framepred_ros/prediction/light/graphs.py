"""Models compiled by OpenVINO for the CPU, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino

from framepred_ros.prediction.light.form import FormError, Graph


class Compiler:
    """Compiles models; they share the threads.

    Args:
        threads: how many each model computes with.
    """

    def __init__(self, threads: int):
        self._core = openvino.Core()
        self._settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # by itself OpenVINO would round to bfloat16
            "INFERENCE_NUM_THREADS": threads,
        }

    def compile(self, model: openvino.Model) -> CompiledGraph:
        """Compiles a model that was made here."""
        return CompiledGraph(self._core.compile_model(model, "CPU", self._settings))

    def compile_graph(self, graph: Graph, weights: Path) -> CompiledGraph:
        """Compiles a graph of a compiled form with a checkpoint's weights.

        Raises:
            FormError: it cannot be read; by another version of OpenVINO, maybe.
        """
        block = openvino.Tensor(openvino.Type.u8, [graph.size])  # OpenVINO's own, which the compiled model holds on to
        graph.fill(block.data, weights)
        try:
            return self.compile(self._core.read_model(graph.xml, block))
        except RuntimeError as error:
            version = openvino.__version__
            raise FormError(f"OpenVINO {version} cannot read it: {str(error).splitlines()[0]}") from error


class CompiledGraph:
    """A model of one output."""

    def __init__(self, compiled: openvino.CompiledModel):
        self._request = compiled.create_infer_request()

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """The output, which the next call leaves as it is."""
        given = [np.asarray(each, order="C") for each in inputs]
        return np.array(self._request.infer(given, share_inputs=True, share_outputs=True)[0])


def concatenated(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays one behind the other; the array itself if there is one."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
