"""LeRobot datasets: format v3.0, with many episodes to a file, and v2.0 and v2.1 (see lerobot_v2), with one.

    DATASET/meta/info.json                                      version, rate, features
    DATASET/meta/episodes/chunk-000/file-000.parquet            per episode: tasks, length, where its frames are
    DATASET/videos/{camera}/chunk-000/file-000.mp4              cameras of dtype "video"
    DATASET/data/chunk-000/file-000.parquet                     cameras of dtype "image", one picture per row

LeRobot's tasks are sentences, which are the instructions here; the task's name is that of the folder. Frame i of an
episode lies at `from_timestamp + i / fps` in the video, which LeRobot encodes at a fixed rate, whatever stamps the rows
bear (those of real cameras are off this grid).

Upstream: huggingface/lerobot, src/lerobot/datasets: utils.py, dataset_metadata.py, dataset_reader.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from training.episodes import lerobot_v2
from training.episodes.episode import Episode, EpisodeError
from training.episodes.files import absolute, read_json, reading
from training.episodes.instructions import missing_instructions, sentences
from training.episodes.lerobot_camera import Camera, choose_camera, table_number
from training.episodes.reader import Listing, Reader, SourceOptions, attempt
from training.episodes.resampling import NANOSECONDS, nearest_frames

_TEMPLATES = {
    "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
    "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
}
_MAX_FRAMES = 10**6  # of an episode; 17 hours at 16 Hz


def recognises(path: Path) -> bool:
    """Whether the path is a LeRobot dataset of any version since 2.0."""
    return (path / "meta" / "info.json").is_file()


def list_episodes(path: Path, options: SourceOptions) -> Listing:
    """Lists the episodes; `options.camera` is the feature's key, with or without "observation.images.".

    An episode is unusable if its row is malformed. Whether its video can be decoded shows only when it is read.

    Raises:
        EpisodeError: another version, a missing or ambiguous camera, or unreadable tables.
    """
    info_file = path / "meta" / "info.json"
    info = read_json(info_file)
    _check_info(info, info_file)
    camera = choose_camera(path, info, options.camera, info_file)
    task = options.task or absolute(path).name
    layout = lerobot_v2.Layout(path, info, info_file) if _is_version_2(info) else None
    if layout:
        rows = lerobot_v2.episode_rows(path)
    else:
        rows = _rows(path, ["episode_index", "tasks", "length", *camera.columns])
    entries = []
    for table, row in rows:
        number = table_number(row, "episode_index", 10**9, table)
        opened = partial(_open_episode, task, number, camera, row, options, table, layout)
        entries.append(attempt(task, number, opened))
    return Listing(camera.key, entries)


READER = Reader("meta/info.json", recognises, list_episodes)


def _check_info(info: dict[str, Any], file: Path) -> None:
    version = info.get("codebase_version")
    if not isinstance(version, str) or not version.startswith(("v2.", "v3.")):
        raise EpisodeError(file, f"LeRobot version {version!r}; this reader knows v2.0, v2.1 and v3.0")
    fps = info.get("fps")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps <= 1000:
        raise EpisodeError(file, f"fps is {fps!r}, expected a rate in Hz")
    for name, template in () if _is_version_2(info) else _TEMPLATES.items():
        if info.get(name, template) not in (template, None):
            raise EpisodeError(file, f"{name} is {info[name]!r}; this reader knows {template!r}")


def _is_version_2(info: dict[str, Any]) -> bool:
    return info["codebase_version"].startswith("v2.")


def _rows(root: Path, columns: list[str]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yields (file, row) of the episodes tables."""
    folder = root / "meta" / "episodes"
    tables = sorted(folder.glob("chunk-*/file-*.parquet"))
    if not tables:
        raise EpisodeError(folder, "no tables like chunk-000/file-000.parquet")
    for table in tables:
        with reading(table, "no parquet table of episodes, or a damaged one"):
            file = pq.ParquetFile(table)
            missing = [name for name in columns if name not in file.schema_arrow.names]
            if missing:
                raise EpisodeError(table, f"it has no column {missing[0]}")
            for batch in file.iter_batches(columns=columns, use_threads=False):
                yield from ((table, row) for row in batch.to_pylist())


def _open_episode(
    task: str,
    number: int,
    camera: Camera,
    row: dict[str, Any],
    options: SourceOptions,
    table: Path,
    layout: lerobot_v2.Layout | None,
) -> Episode:
    length = table_number(row, "length", _MAX_FRAMES, table)
    if length == 0:
        raise EpisodeError(table, f"episode {number} is empty")
    seen, unseen = options.phrasings(task) or (_sentences(number, row, table, layout), ())
    if not seen:
        raise missing_instructions(table, f"episode {number} has no task")
    step = 1 / (options.fps or camera.rate)
    stamps = np.rint(np.arange(length) * (NANOSECONDS / camera.rate)).astype(np.int64)
    positions = nearest_frames(stamps, step)
    frames = layout.frames(camera, number, positions) if layout else camera.frames(number, row, positions, table)
    return Episode(task, number, frames, step, seen, unseen, table)


def _sentences(number: int, row: dict[str, Any], table: Path, layout: lerobot_v2.Layout | None) -> tuple[str, ...]:
    tasks = layout.sentences(number) if layout and row["tasks"] is None else row["tasks"]
    return sentences(tasks, table, "tasks")
