"""Opening the model that the node predicts with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import cv2
import numpy as np

from framepred_ros.node.model_imports import hidden, unneeded_packages
from framepred_ros.prediction.threads import default_threads, usable_cores

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
    """Load a checkpoint and make a first prediction, which is slow, so that the node's first one is not.

    Args:
        checkpoint: folder or hub id; empty: the one that ships with the package.
        device, engine: as `FramePredictor.from_pretrained` takes them.
        cpu_threads: threads that the model and OpenCV use when this thread predicts; 0: as many as torch would take,
            but one core stays free.
        cpu_niceness: by how much this thread, and those that the model starts for it, give way to others, 0 to 19.
        frame_shapes: (height, width, 3) of each camera's frames, None where not known; they go through in one batch
            and, where the engine compiles, in every smaller one.

    Raises:
        what `FramePredictor.from_pretrained` raises.
    """
    from framepred_ros.prediction.checkpoint import resolve_checkpoint, shipped_checkpoint

    folder = resolve_checkpoint(checkpoint or shipped_checkpoint())
    with hidden(unneeded_packages(folder)):
        from framepred_ros.prediction.predictor import FramePredictor

        threads = cpu_threads or max(1, min(default_threads(), usable_cores() - 1))
        cv2.setNumThreads(threads)  # of the whole process
        predictor = FramePredictor.from_pretrained(
            folder, device=device, engine=engine, threads=threads, niceness=cpu_niceness
        )
    pictures = [np.zeros(shape or (*predictor.info.resolution, 3), np.uint8) for shape in frame_shapes]
    # Compiling is for one size of a batch, and not every camera has a new frame every time.
    for count in range(1 if engine == "compile" else len(pictures), len(pictures) + 1):
        past = [dict.fromkeys(predictor.history, picture) for picture in pictures[:count]]
        predictor.predict_batch(pictures[:count], ["warm up"] * count, steps=1, seed=0, histories=past)
    return predictor
