"""The one episode type that every reader yields and every consumer (dataset, bags) reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np


class EpisodeError(ValueError):
    """An episode cannot be read. The message is one line naming the file or folder and the reason."""


class FrameSource(Protocol):
    """Frames of one camera by index, read on demand. Picklable, so that episodes can go to worker processes."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame `index` as RGB uint8 (H, W, 3). Raises EpisodeError if it cannot be read."""
        ...

    def fingerprint(self) -> str:
        """A short hexadecimal digest that changes when the episode is recorded anew; cheap to compute."""
        ...


@dataclass(frozen=True)
class Episode:
    """One recorded run of a task, seen by one camera.

    Attributes:
        task: name of the task, such as "block_hammer_beat".
        number: number of the episode within its task.
        frames: the camera's frames, read on demand.
        step_duration: nominal time between two frames, in seconds.
        seen: phrasings of the instruction that training may use, at least one.
        unseen: phrasings reserved for testing; may be empty.
        path: the folder or file that it was read from, for messages.
    """

    task: str
    number: int
    frames: FrameSource
    step_duration: float
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    path: Path

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.frames)

    def read(self, indices: range | list[int] | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (index, frame) for the given indices (all by default), frames as RGB uint8 (H, W, 3) of one size.

        Raises:
            EpisodeError: a frame is unreadable, or its size differs from that of the first one read.
        """
        first = None
        for index in range(len(self)) if indices is None else indices:
            frame = self.frames[index]
            first = first or (index, frame.shape)
            if frame.shape != first[1]:
                raise EpisodeError(
                    f"{self.path}: frames of mixed sizes: frame {first[0]} is {_size(first[1])}, "
                    f"frame {index} is {_size(frame.shape)}"
                )
            yield index, frame


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
