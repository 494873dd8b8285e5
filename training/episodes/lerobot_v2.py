"""LeRobot v2.0 and v2.1: one table and one video per episode and camera.

    DATASET/meta/info.json                                      version, rate, features, `data_path`, `video_path`
    DATASET/meta/episodes.jsonl                                 {"episode_index", "tasks", "length"} per line
    DATASET/meta/tasks.jsonl                                    {"task_index", "task"} per line
    DATASET/videos/chunk-000/{camera}/episode_000000.mp4        cameras of dtype "video"
    DATASET/data/chunk-000/episode_000000.parquet               cameras of dtype "image", one picture per row

The two versions differ in their statistics only. Both paths are templates, which some datasets change.

Upstream: huggingface/lerobot at v0.3.3, src/lerobot/datasets/utils.py and lerobot_dataset.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from training.episodes.episode import EpisodeError, FrameSource
from training.episodes.files import json_lines, reading
from training.episodes.lerobot_camera import Camera, table_number
from training.episodes.parquet_images import ParquetImages
from training.episodes.video import VideoFrames

_CHUNK_SIZE = 1000
_TEMPLATES = {
    "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
    "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
}
_FIELDS = {"episode_chunk", "episode_index", "video_key"}
_NUMBER_FORMAT = re.compile(r"(0?\d?d)?", re.ASCII)


class Layout:
    """Where an episode's files lie."""

    def __init__(self, root: Path, info: dict[str, Any], file: Path):
        """Raises EpisodeError for templates that cannot be filled in, or that lead out of the dataset's folder."""
        self._root = root
        self._templates = {name: info.get(name) or template for name, template in _TEMPLATES.items()}
        self._chunk_size = info.get("chunks_size", _CHUNK_SIZE)
        for name, template in self._templates.items():
            _check_template(name, template, file)
        if not isinstance(self._chunk_size, int) or self._chunk_size < 1:
            raise EpisodeError(file, f"chunks_size is {self._chunk_size!r}, expected a number of episodes")

    def table(self, number: int) -> Path:
        """The table of an episode's frames."""
        return self._file("data_path", number, "")

    def frames(self, camera: Camera, number: int, positions: np.ndarray) -> FrameSource:
        """The frames at these positions of an episode."""
        if not camera.is_video:
            return ParquetImages(self.table(number), camera.key, number, positions)
        return VideoFrames(self._file("video_path", number, camera.key), 0.0, camera.rate, positions)

    def sentences(self, number: int) -> list[Any]:
        """The tasks of an episode that episodes.jsonl does not name: those of its frames. Raises EpisodeError."""
        table, file = self.table(number), self._root / "meta" / "tasks.jsonl"
        with reading(table, "no parquet table of frames, or a damaged one"):
            indices = pq.read_table(table, columns=["task_index"]).column(0).unique().to_pylist()
        tasks = {row.get("task_index"): row.get("task") for _, row in json_lines(file)}
        return [tasks[index] for index in indices if index in tasks]

    def _file(self, name: str, number: int, camera: str) -> Path:
        place = {"episode_chunk": number // self._chunk_size, "episode_index": number, "video_key": camera}
        return self._root / self._templates[name].format(**place)


def episode_rows(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yields (file, row) of episodes.jsonl. Raises EpisodeError."""
    file = root / "meta" / "episodes.jsonl"
    for number, row in json_lines(file):
        if "episode_index" not in row or "length" not in row:
            raise EpisodeError(file, f"line {number} lacks episode_index or length")
        table_number(row, "episode_index", 10**9, file)
        yield file, {"tasks": None, **row}


def _check_template(name: str, template: Any, file: Path) -> None:
    with reading(file, f"{name} is {template!r}"):
        for _, field, spec, conversion in Formatter().parse(template):
            known = field is None or (field in _FIELDS and not conversion)
            if not known or (spec and (field == "video_key" or not _NUMBER_FORMAT.fullmatch(spec))):
                raise EpisodeError(file, f"{name} is {template!r}; this reader knows the fields {sorted(_FIELDS)}")
        path = PurePosixPath(template)
        if path.is_absolute() or ".." in path.parts:
            raise EpisodeError(file, f"{name} is {template!r}, which leads out of the dataset")
