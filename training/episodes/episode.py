"""The one episode type that every reader yields and every consumer (dataset, bags) reads."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.episodes.scene import Scene

_TASK_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class EpisodeError(ValueError):
    """Episodes that cannot be read.

    Attributes:
        path: the file or folder.
        reason: one line.
        task, number: of the episode; None where they are not known.
    """

    def __init__(self, path: str | Path, reason: object, task: str | None = None, number: int | None = None):
        self.path = Path(path)
        self.reason = " ".join(str(reason).split())
        self.task = task
        self.number = number
        super().__init__(self.path, self.reason, task, number)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"

    def of(self, task: str, number: int) -> EpisodeError:
        """The same error, with the episode it belongs to."""
        return EpisodeError(self.path, self.reason, task, number)


class FrameSource(ABC):
    """Frames of one camera, read on demand.

    Picklable and small, so that episodes can go to worker processes: it holds paths and indices, never open files.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """Yields the frames of these indices, in this order, as RGB uint8 (H, W, 3).

        Ascending indices are read in one pass over the file, which stays open until the iterator ends or is closed.

        Raises:
            EpisodeError: a frame cannot be read.
        """

    @abstractmethod
    def checksum(self) -> str:
        """SHA-256 (hexadecimal) over everything recorded of the episode; reads it all. Raises EpisodeError."""

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame `index` as RGB uint8 (H, W, 3). Raises EpisodeError if it cannot be read."""
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        return next(self.read([index]))


@dataclass(frozen=True)
class Episode:
    """One recorded run of a task, seen by one camera.

    Attributes:
        task: name of the task, such as "block_hammer_beat": letters, digits, `_`, `-` and `.`, as it names folders.
        number: number of the episode within its task.
        frames: the camera's frames, read on demand.
        step_duration: nominal time between two frames, in seconds.
        seen: phrasings of the instruction that training may use, at least one.
        unseen: phrasings reserved for testing; may be empty.
        path: the folder or file that it was read from, for messages.
        scene: what is known of its scene, None where the source says nothing.
        group: episodes of the task with the same group stay in one split; None for none.

    Raises:
        EpisodeError: the task's name has other characters, so that it cannot name folders.
    """

    task: str
    number: int
    frames: FrameSource
    step_duration: float
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    path: Path
    scene: Scene | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        if not _TASK_NAME.fullmatch(self.task):
            reason = f"{self.task!r} cannot be a task's name: only letters, digits, '_', '-' and '.' can be in it"
            raise EpisodeError(self.path, reason)

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.frames)

    def read(self, indices: Sequence[int] | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (index, frame) for the given indices (all by default), frames as RGB uint8 (H, W, 3) of one size.

        Raises:
            EpisodeError: a frame is unreadable, or its size differs from that of the first one read.
        """
        indices = range(len(self)) if indices is None else indices
        first = None
        try:
            for index, frame in zip(indices, self.frames.read(indices), strict=True):
                first = first or (index, frame.shape)
                if frame.shape != first[1]:
                    sizes = f"frame {first[0]} is {_size(first[1])}, frame {index} is {_size(frame.shape)}"
                    raise EpisodeError(self.path, f"frames of mixed sizes: {sizes}")
                yield index, frame
        except EpisodeError as error:
            raise error.of(self.task, self.number) from error


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
