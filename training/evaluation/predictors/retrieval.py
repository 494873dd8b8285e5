"""Retrieval: the future frame of the training pair whose current frame and instruction are most alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import cv2
import numpy as np
from tqdm import tqdm

from framepred_ros.encoded_pictures import PictureError, read_picture
from training.dataset.index import DatasetError, Row
from training.dataset.stored_pairs import read_frame
from training.evaluation.predictors.base import Pair, Prediction, Predictor

_THUMBNAIL = (32, 24)  # (width, height) in pixels


class Retrieval(Predictor):
    """Nearest neighbour among training pairs.

    The descriptor is the frame at 32x24, colours in 0..1 divided by the root of their count, beside the instruction as
    a bag of words of length `text_weight`; one matrix product compares a batch with all training pairs.

    Args:
        rows: the training pairs.
        every: only each so manyth is kept; neighbouring frames are near-duplicates.
        text_weight: how much words count beside pixels.
    """

    def __init__(self, rows: Sequence[Row], every: int = 20, text_weight: float = 0.1):
        self._rows = list(rows[::every])
        self._text_weight = text_weight
        words = sorted({word for row in self._rows for word in _words(row.prompt)})
        self._columns = {word: index for index, word in enumerate(words)}

    @cached_property
    def _index(self) -> np.ndarray:
        """Descriptors (N, D) of the training pairs."""
        rows = tqdm(self._rows, desc="indexing training pairs", unit="pair", leave=False, disable=None)
        return np.stack([self._describe(_read_reduced(row), row.prompt) for row in rows])

    def predict(self, pairs: Sequence[Pair]) -> list[Prediction]:
        queries = np.stack([self._describe(pair.current, pair.row.prompt) for pair in pairs])
        # |q - x|^2 = |q|^2 - 2 q.x + |x|^2, of which |q|^2 is the same for all x.
        distances = (self._index**2).sum(axis=1) - 2 * queries @ self._index.T
        return [
            Prediction(read_frame(self._rows[nearest].edited_image, pair.current.shape[1::-1]))
            for pair, nearest in zip(pairs, distances.argmin(axis=1), strict=True)
        ]

    def _describe(self, frame: np.ndarray, prompt: str) -> np.ndarray:
        pixels = cv2.resize(frame, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32).ravel() / 255
        words = np.zeros(len(self._columns), np.float32)
        words[[self._columns[word] for word in _words(prompt) if word in self._columns]] = 1
        length = float(np.linalg.norm(words)) or 1.0
        return np.concatenate([pixels / np.sqrt(pixels.size), words * (self._text_weight / length)])


def _read_reduced(row: Row) -> np.ndarray:
    """A row's current frame at a quarter of its size, which a JPEG decoder gives several times faster."""
    try:
        return cv2.cvtColor(read_picture(row.input_image, cv2.IMREAD_REDUCED_COLOR_4), cv2.COLOR_BGR2RGB)
    except (PictureError, OSError) as error:
        raise DatasetError(f"{row.input_image}: missing, or not a readable picture: {error}") from error


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))
