"""Folders of extracted frames, named as in the paper (section 3.2).

    FRAMES/{task}/episode{i}_frame{j}.jpg        or .jpeg, .png; i and j from 0 without leading zeros
    FRAMES/{task}/instructions.json              {"seen": [...], "unseen": [...]}, or
    FRAMES/instructions/{task}.json              {"instructions": [...], "unseen": [...]} as in RoboTwin 1.0

An instruction among the options is used for all episodes in place of these files. The folder does not say its rate:
it is the one among the options (`fps`), else RoboTwin's 16.7 Hz.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from training.episodes.episode import Episode, EpisodeError, FrameSource
from training.episodes.files import absolute, reading, require_contiguous, sha256
from training.episodes.instructions import phrasings_of_folder
from training.episodes.pictures import decode_picture
from training.episodes.reader import Listing, Reader, SourceOptions, attempt
from training.episodes.robotwin_clock import STEP_DURATION

_FRAME_FILE = re.compile(r"episode(0|[1-9]\d{0,8})_frame(0|[1-9]\d{0,8})(\.jpe?g|\.png)", re.ASCII)
_MAX_FILE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class FrameFiles(FrameSource):
    """The files `episode{number}_frame0{suffix}`, ... of a folder."""

    folder: Path
    number: int
    suffix: str
    count: int

    def __len__(self) -> int:
        return self.count

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        for index in indices:
            file = self._file(index)
            with reading(file):
                if file.stat().st_size > _MAX_FILE_BYTES:
                    raise EpisodeError(file, f"larger than {_MAX_FILE_BYTES >> 20} MiB, so not a frame")
                frame = decode_picture(file.read_bytes())
            yield frame

    def checksum(self) -> str:
        return sha256(self._file(index) for index in range(self.count))

    def _file(self, index: int) -> Path:
        return self.folder / f"episode{self.number}_frame{index}{self.suffix}"


def recognises(path: Path) -> bool:
    """Whether the path is a folder with such frames, or one of such folders."""
    return any(True for folder in _task_folders(path) for _ in _frame_names(folder))


def list_episodes(path: Path, options: SourceOptions) -> Listing:
    """Lists the episodes. One is unusable if its frame numbers have a gap, or it has no or malformed instructions."""
    entries = []
    for folder in _task_folders(path):
        task = absolute(folder).name
        suffixes: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, index, suffix in _frame_names(folder):
            suffixes[number][suffix].append(index)
        for number, indices in sorted(suffixes.items()):
            opened = partial(_open_episode, folder, task, number, indices, options)
            entries.append(attempt(task, number, opened))
    return Listing("frames", entries)


READER = Reader("{task}/episode0_frame0.jpg", recognises, list_episodes)


def _task_folders(path: Path) -> list[Path]:
    """The path itself if it holds frames, else the folders in it."""
    if not path.is_dir():
        return []
    if next(_frame_names(path), None):
        return [path]
    with reading(path):
        return sorted(entry for entry in path.iterdir() if entry.is_dir())


def _frame_names(folder: Path) -> Iterator[tuple[int, int, str]]:
    """Episode number, frame number and suffix of each frame in a folder."""
    with reading(folder):
        matches = (_FRAME_FILE.fullmatch(entry.name) for entry in folder.iterdir())
        yield from ((int(match[1]), int(match[2]), match[3]) for match in matches if match)


def _open_episode(
    folder: Path, task: str, number: int, indices: dict[str, list[int]], options: SourceOptions
) -> Episode:
    if len(indices) > 1:
        raise EpisodeError(folder, f"episode {number} has frames of several kinds: {', '.join(sorted(indices))}")
    ((suffix, numbers),) = indices.items()
    count = require_contiguous(numbers, folder, f"episode{number}_frame{{}}{suffix}")
    seen, unseen = options.phrasings(task) or phrasings_of_folder(folder, task)
    step_duration = 1 / options.fps if options.fps else STEP_DURATION
    return Episode(task, number, FrameFiles(folder, number, suffix, count), step_duration, seen, unseen, folder)
