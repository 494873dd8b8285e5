"""Convert episodes to JPEG files: one pure function per episode, run by a pool of processes."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from training.episodes import Episode

_RECORD = "stored.json"

Job = tuple[Episode, Path, list[int], int]  # episode, destination folder, frame indices, JPEG quality


@dataclass(frozen=True)
class StoredEpisode:
    """An episode whose frames lie as JPEG files in `folder`; `size` is (width, height)."""

    task: str
    number: int
    folder: Path
    size: tuple[int, int]
    fingerprint: str

    @classmethod
    def load(cls, folder: Path) -> StoredEpisode | None:
        """What `store_episode` left in `folder`, or None if it did not get there."""
        try:
            record = json.loads((folder / _RECORD).read_text())
        except FileNotFoundError:
            return None
        return cls(record["task"], record["number"], folder, tuple(record["size"]), record["fingerprint"])


def frame_name(episode: int, frame: int) -> str:
    """File name of a stored frame (paper, section 3.2)."""
    return f"episode{episode}_frame{frame}.jpg"


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """JPEG bytes of an RGB uint8 (H, W, 3) image. Chroma is kept at full resolution: the blocks are small and red."""
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, *sampling]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def store_episode(job: Job) -> StoredEpisode:
    """Writes the chosen frames of an episode into the job's folder, which appears only when all are there.

    Raises EpisodeError if a frame cannot be read; the folder then does not exist.
    """
    episode, folder, indices, quality = job
    partial = folder.with_name(folder.name + ".partial")
    for leftover in (partial, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    size = (0, 0)
    for index, image in episode.read(indices):
        size = (image.shape[1], image.shape[0])
        (partial / frame_name(episode.number, index)).write_bytes(encode_jpeg(image, quality))
    fingerprint = episode.frames.fingerprint()
    record = {"task": episode.task, "number": episode.number, "size": size, "fingerprint": fingerprint}
    (partial / _RECORD).write_text(json.dumps(record))
    os.rename(partial, folder)
    return StoredEpisode(episode.task, episode.number, folder, size, fingerprint)


def store_episodes(jobs: list[Job], workers: int) -> Iterator[tuple[Episode, StoredEpisode]]:
    """Runs `store_episode` on all jobs and yields the results as they come. The first error stops the rest."""
    if workers <= 1 or len(jobs) <= 1:
        yield from ((job[0], store_episode(job)) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")  # a forked copy of a process with threads may deadlock
    with ProcessPoolExecutor(min(workers, len(jobs)), context, _start_worker) as pool:
        waiting = {pool.submit(store_episode, job): job[0] for job in jobs}
        try:
            while waiting:
                finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield waiting.pop(future), future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _start_worker() -> None:
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
