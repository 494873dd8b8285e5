"""Animations over a whole episode: now | predicted | truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from training.dataset.index import Row
from training.evaluation.measure import read_pair
from training.evaluation.predictors.base import Predictor

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
    # One palette for all: it does not flicker, and still pixels compress to nothing.
    palette = Image.fromarray(np.concatenate([np.asarray(frame) for frame in frames[::8]])).quantize(128)
    indexed = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    span = (rows[-1].frame - rows[0].frame) * step_duration * 1000 / max(1, len(indexed) - 1)
    temporary = path.with_name(f".{path.name}")
    indexed[0].save(
        temporary, format="GIF", save_all=True, append_images=indexed[1:], duration=max(20, round(span)), loop=0
    )
    temporary.replace(path)


def _frame(predictor: Predictor, row: Row) -> np.ndarray:
    pair = read_pair(row, None)
    pictures = (pair.current, predictor.predict([pair])[0].picture, pair.truth)
    height, width = pair.current.shape[:2]
    size = (round(width * _HEIGHT / height), _HEIGHT)
    gap = np.full((_HEIGHT, _GAP, 3), 255, np.uint8)
    panels = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.hstack([panels[0], gap, panels[1], gap, panels[2]])
