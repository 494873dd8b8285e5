"""Animations over a whole episode: now | predicted | truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from framepred_ros.pictures import save_gif
from training.dataset.index import Row
from training.evaluation.predictors.base import Predictor, read_pair

MOMENTS = 40  # of an episode: small files, and still an impression of the motion
_HEIGHT, _GAP = 150, 4  # pixels


def write_animation(path: Path, predictor: Predictor, rows: Sequence[Row], step_duration: float) -> None:
    """Writes a GIF at the episode's own speed.

    Args:
        rows: of one episode, in order; at most `MOMENTS` of them, evenly drawn, are predicted.
        step_duration: seconds between two frames of the episode.
    """
    positions = np.unique(np.linspace(0, len(rows) - 1, min(MOMENTS, len(rows))).round().astype(int))
    chosen = tqdm([rows[position] for position in positions], desc=path.stem, leave=False, disable=None)
    frames = [Image.fromarray(_frame(predictor, row)) for row in chosen]
    span = (rows[-1].frame - rows[0].frame) * step_duration
    save_gif(path, frames, span / max(1, len(frames) - 1), colors=128)


def _frame(predictor: Predictor, row: Row) -> np.ndarray:
    pair = read_pair(row, None, predictor.history)
    pictures = (pair.current, predictor.predict([pair])[0].picture, pair.truth)
    height, width = pair.current.shape[:2]
    size = (round(width * _HEIGHT / height), _HEIGHT)
    gap = np.full((_HEIGHT, _GAP, 3), 255, np.uint8)
    panels = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.hstack([panels[0], gap, panels[1], gap, panels[2]])
