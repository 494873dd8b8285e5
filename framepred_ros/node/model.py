"""Opening the model that the node predicts with."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

import cv2
import numpy as np

from framepred_ros.node.model_imports import hidden, unneeded_packages

if TYPE_CHECKING:
    from framepred_ros.prediction.predictor import FramePredictor


def open_predictor(
    checkpoint: str,
    device: str,
    engine: str,
    cpu_threads: int,
    cpu_niceness: int,
    frame_shapes: Iterable[tuple[int, ...] | None],
) -> FramePredictor:
    """Load a checkpoint and make a first, slow prediction, so that the node's first one is as fast as the others.

    Args:
        checkpoint: folder or hub id; empty: the one that ships with the package.
        device, engine: as `FramePredictor.from_pretrained` takes them.
        cpu_threads: threads that torch and OpenCV use when this thread predicts; 0: as many as torch likes, but one
            core stays free.
        cpu_niceness: by how much this thread, and those that torch starts for it, give way to others, 0 to 19.
        frame_shapes: (height, width, 3) of each camera's frames, None where not known; they go through in one batch
            and, where the engine compiles, in every smaller one.

    Raises:
        what `FramePredictor.from_pretrained` raises.
    """
    from framepred_ros.prediction.checkpoint import resolve_checkpoint, shipped_checkpoint

    folder = resolve_checkpoint(checkpoint or shipped_checkpoint())
    with hidden(unneeded_packages(folder)):
        # Only now: importing torch takes seconds, and a wrong path needs no torch.
        import torch

        from framepred_ros.prediction.predictor import FramePredictor

        _lower_priority(cpu_niceness)
        default = _default_cpu_threads()  # asked before it can change
        torch.set_num_threads(cpu_threads or default)
        cv2.setNumThreads(torch.get_num_threads())  # of the whole process
        predictor = FramePredictor.from_pretrained(folder, device=device, engine=engine)
    pictures = [np.zeros(shape or (*predictor.info.resolution, 3), np.uint8) for shape in frame_shapes]
    # Compiling is for one size of a batch, and not every camera has a new frame every time.
    for count in range(1 if engine == "compile" else len(pictures), len(pictures) + 1):
        past = [dict.fromkeys(predictor.history, picture) for picture in pictures[:count]]
        predictor.predict_batch(pictures[:count], ["warm up"] * count, steps=1, seed=0, histories=past)
    return predictor


def _lower_priority(niceness: int) -> None:
    """Make the calling thread nicer, and with it the threads that it will start; only Linux knows this of a thread."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + niceness))


@functools.cache
def _default_cpu_threads() -> int:
    """As many threads as torch takes by itself, but fewer than there are cores."""
    import torch

    return max(1, min(torch.get_num_threads(), len(os.sched_getaffinity(0)) - 1))
