"""Predictions made elsewhere: a folder of pictures, named as the frames they were predicted from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from framepred_ros.encoded_pictures import PictureError, read_picture
from training.dataset.index import Row
from training.dataset.stored_pairs import read_frame
from training.evaluation.predictors.base import Pair, Prediction, Predictor

_ENDINGS = (".png", ".jpg", ".jpeg")
_LISTED = 5


class PicturesFolder(Predictor):
    """Reads `FOLDER/{task}/episode{i}_frame{j}.png` (or .jpg), the prediction made from frame j."""

    takes_words = False  # a picture is there for one instruction only

    def __init__(self, folder: Path):
        self.folder = folder

    def prepare(self, rows: Sequence[Row], size: tuple[int, int] | None) -> None:
        """Raises ValueError that lists the pictures that are missing, unreadable or of another size than the truth."""
        problems = [problem for row in rows if (problem := self._problem(row, size))]
        if problems:
            more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
            raise ValueError(
                f"{self.folder}: {len(problems)} of {len(rows)} predictions cannot be used: "
                f"{'; '.join(problems[:_LISTED])}{more}"
            )

    def predict(self, pairs: Sequence[Pair]) -> list[Prediction]:
        return [Prediction(read_frame(self._path(pair.row))) for pair in pairs]

    def _path(self, row: Row) -> Path | None:
        stem = self.folder / row.task / f"episode{row.episode}_frame{row.frame}"
        return next((path for ending in _ENDINGS if (path := stem.with_name(stem.name + ending)).is_file()), None)

    def _problem(self, row: Row, size: tuple[int, int] | None) -> str | None:
        path = self._path(row)
        if path is None:
            return f"{row.task}/episode{row.episode}_frame{row.frame}.png is missing"
        try:
            picture = read_picture(path, cv2.IMREAD_UNCHANGED)
        except (PictureError, OSError) as error:
            return f"{path.relative_to(self.folder)} is no readable picture: {error}"
        if picture.dtype != np.uint8:
            return f"{path.relative_to(self.folder)} has {picture.dtype} pixels, not 8 bits"
        width, height = size or read_frame(row.edited_image).shape[1::-1]
        if picture.shape[:2] != (height, width):
            return f"{path.relative_to(self.folder)} is {picture.shape[1]}x{picture.shape[0]}, not {width}x{height}"
        return None
