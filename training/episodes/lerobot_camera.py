"""Cameras of a LeRobot dataset, and where the table of episodes says that their pictures are."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.episodes.episode import EpisodeError, FrameSource
from training.episodes.parquet_images import ParquetImages
from training.episodes.video import VideoFrames

_PREFIX = "observation.images."
_FEATURE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_FILE = "chunk-{:03d}/file-{:03d}"
_LAST_SECOND = 10**6


@dataclass(frozen=True)
class Camera:
    """A camera of a dataset: where it is, at which rate, and whether its pictures are a video or in the table."""

    root: Path
    key: str
    is_video: bool
    rate: float

    @property
    def columns(self) -> list[str]:
        """The columns of the episodes table that say where an episode's pictures are."""
        place = f"videos/{self.key}" if self.is_video else "data"
        times = [f"{place}/from_timestamp"] if self.is_video else []
        return [f"{place}/chunk_index", f"{place}/file_index", *times]

    def frames(self, number: int, row: dict[str, Any], positions: np.ndarray, table: Path) -> FrameSource:
        """The frames at these positions of an episode. Raises EpisodeError if the row does not say where they are."""
        place = _FILE.format(*(table_number(row, name, 10**6, table) for name in self.columns[:2]))
        if not self.is_video:
            return ParquetImages(self.root / "data" / f"{place}.parquet", self.key, number, positions)
        start = row[self.columns[2]]
        if not isinstance(start, float) or not 0 <= start < _LAST_SECOND:
            raise EpisodeError(table, f"{self.columns[2]} is {start!r}, expected seconds")
        return VideoFrames(self.root / "videos" / self.key / f"{place}.mp4", start, self.rate, positions)


def choose_camera(root: Path, info: dict[str, Any], wanted: str | None, file: Path) -> Camera:
    """The camera that the user wants, with or without the prefix "observation.images.", or else the only one.

    Args:
        root: the dataset's folder.
        info: what meta/info.json says.
        wanted: the key, or None.
        file: meta/info.json, for messages.

    Raises:
        EpisodeError: there is none, or several (the message lists them), or its key is not a plain name.
    """
    features = info.get("features")
    if not isinstance(features, dict) or not all(isinstance(feature, dict) for feature in features.values()):
        raise EpisodeError(file, "'features' is not an object of objects")
    cameras = {key: feature["dtype"] for key, feature in features.items() if _is_camera(feature)}
    present = ", ".join(sorted(cameras)) or "none"
    if wanted is None and len(cameras) > 1:
        raise EpisodeError(file, f"several cameras; choose one with --camera: {present}")
    chosen = [key for key in cameras if wanted is None or key in (wanted, _PREFIX + wanted)]
    if not chosen:
        raise EpisodeError(file, f"no camera {wanted!r}; it has {present}" if wanted else "it has no cameras")
    if not _FEATURE_NAME.fullmatch(chosen[0]):
        raise EpisodeError(file, f"{chosen[0]!r} cannot be a camera's key")
    return Camera(root, chosen[0], cameras[chosen[0]] == "video", float(info["fps"]))


def _is_camera(feature: dict[str, Any]) -> bool:
    details = feature.get("info")
    is_depth = isinstance(details, dict) and (details.get("is_depth_map") or details.get("video.is_depth_map"))
    return feature.get("dtype") in ("video", "image") and not is_depth


def table_number(row: dict[str, Any], name: str, limit: int, table: Path) -> int:
    """The whole number from 0 to below `limit` in a column of a row. Raises EpisodeError if it is something else."""
    value = row[name]
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)  # pandas makes floats of a column of integers when it joins tables
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < limit:
        raise EpisodeError(table, f"{name} is {value!r}, expected a number from 0 up")
    return value
