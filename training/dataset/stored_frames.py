"""Convert one episode to JPEG files: the function that a pool of processes or a cluster runs."""

from __future__ import annotations

import json
import shutil
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from framepred_ros.files import new_folder
from training.episodes import Episode

_RECORD = "stored.json"
_FRAMES_AHEAD = 4  # of the encoder; all that is in memory of an episode


@dataclass(frozen=True)
class StoredEpisode:
    """An episode whose frames lie as JPEG files, each in one or more of `folders`; `size` is (width, height).

    `origin` says how they got there: "converted" now, "resumed" from an interrupted build, or "kept" from the dataset.
    """

    task: str
    number: int
    folders: tuple[Path, ...]
    size: tuple[int, int]
    checksum: str
    origin: str

    def frame_path(self, index: int) -> Path | None:
        """The file of a frame, or None if it is not stored."""
        paths = (folder / frame_name(self.number, index) for folder in self.folders)
        return next((path for path in paths if path.is_file()), None)

    def has(self, indices: Iterable[int]) -> bool:
        """Whether all these frames are stored."""
        return all(self.frame_path(index) for index in indices)


@dataclass(frozen=True)
class StoreJob:
    """What is to be stored of an episode, and where.

    Attributes:
        episode: as read from its source.
        source: the source's format and camera.
        indices: of the frames to store, ascending, at least one.
        jpeg_quality: 1 to 100.
        folder: for the frames; anything else there is replaced.
        published: its form in the existing dataset, which is used instead if the episode is unchanged.
    """

    episode: Episode
    source: dict[str, str]
    indices: list[int]
    jpeg_quality: int
    folder: Path
    published: StoredEpisode | None = None


def frame_name(episode: int, frame: int) -> str:
    """File name of a stored frame (paper, section 3.2)."""
    return f"episode{episode}_frame{frame}.jpg"


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """JPEG bytes of an RGB uint8 (H, W, 3) image. Chroma is kept at full resolution: the blocks are small and red."""
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, *sampling]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def store_episode(job: StoreJob) -> StoredEpisode:
    """Stores the job's frames, unless they are stored already.

    The job's folder appears only when all frames are in it, and bears a record of what they were made from.

    Raises:
        EpisodeError: a frame cannot be read; the folder then does not exist.
    """
    record = _read_record(job.folder)
    if job.published or record:
        checksum = job.episode.frames.checksum()
        if job.published and job.published.checksum == checksum and job.published.has(job.indices):
            return job.published
        if record and record["made_from"] == _made_from(job, checksum):
            resumed = _stored(job, record["size"], checksum, "resumed")
            if resumed.has(job.indices):
                return resumed
    return _convert(job)


def _read_record(folder: Path) -> dict[str, Any] | None:
    """What a build that was interrupted has left on record in a job's folder."""
    try:
        return json.loads((folder / _RECORD).read_text())
    except FileNotFoundError:
        return None


def _made_from(job: StoreJob, checksum: str) -> dict[str, Any]:
    return {
        "checksum": checksum,
        "frames": len(job.episode),
        "source": job.source,
        "step_duration": job.episode.step_duration,
        "jpeg_quality": job.jpeg_quality,
    }


def _convert(job: StoreJob) -> StoredEpisode:
    shutil.rmtree(job.folder, ignore_errors=True)
    with new_folder(job.folder) as partial:
        with ThreadPoolExecutor(1) as hasher:
            hashing = hasher.submit(job.episode.frames.checksum)
            try:
                size = _write_frames(job, partial)
            finally:
                checksum = hashing.result()  # if it fails too, its error is reported, whichever came first
        (partial / _RECORD).write_text(json.dumps({"made_from": _made_from(job, checksum), "size": size}))
    return _stored(job, size, checksum, "converted")


def _write_frames(job: StoreJob, folder: Path) -> tuple[int, int]:
    """Writes the job's frames and returns their (width, height)."""
    size, waiting = (0, 0), deque[Future]()
    with ThreadPoolExecutor(1) as encoder:  # OpenCV lets other threads run, so that the next frame is read meanwhile
        for index, image in job.episode.read(job.indices):
            size = (image.shape[1], image.shape[0])
            path = folder / frame_name(job.episode.number, index)
            waiting.append(encoder.submit(_write_frame, path, image, job.jpeg_quality))
            if len(waiting) > _FRAMES_AHEAD:
                waiting.popleft().result()
        for written in waiting:
            written.result()
    return size


def _write_frame(path: Path, image: np.ndarray, quality: int) -> None:
    path.write_bytes(encode_jpeg(image, quality))


def _stored(job: StoreJob, size: Sequence[int], checksum: str, origin: str) -> StoredEpisode:
    episode = job.episode
    return StoredEpisode(episode.task, episode.number, (job.folder,), (size[0], size[1]), checksum, origin)
