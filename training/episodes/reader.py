"""What the readers of all formats share: their options, and how each is described and listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from training.episodes.episode import Episode, EpisodeError
from training.episodes.instructions import Phrasings


@dataclass(frozen=True)
class SourceOptions:
    """What the user chooses about a source. Each format uses the options that concern it.

    Attributes:
        camera: key of the camera; None is the format's head camera.
        image_topic: of a bag; None is its only image topic.
        instruction_topic: of a bag; None is its only std_msgs/String topic.
        instruction: the sentence for all episodes, in place of the source's own ones; None is those.
        task: name of the task, for formats that do not have one; None is the name of the folder.
        fps: rate in Hz to which bags and LeRobot datasets are resampled, and that of a folder of frames; None is the
            source's own, for a folder of frames RoboTwin's.
        max_gap: seconds between two images of a bag beyond which the episode is split.

    Raises:
        ValueError: a rate that is not above 0 and at most 1000 Hz, a gap that is not positive, an empty instruction.
    """

    camera: str | None = None
    image_topic: str | None = None
    instruction_topic: str | None = None
    instruction: str | None = None
    task: str | None = None
    fps: float | None = None
    max_gap: float = 0.5

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ValueError("the rate (fps) must be above 0 and at most 1000 Hz")
        if not self.max_gap > 0:
            raise ValueError("the longest gap must be a positive number of seconds")
        if self.instruction is not None and not self.instruction.strip():
            raise ValueError("the instruction is empty")

    @property
    def phrasings(self) -> Phrasings | None:
        """Seen and unseen phrasings where the user gives the instruction, else None."""
        return ((self.instruction.strip(),), ()) if self.instruction else None


@dataclass(frozen=True)
class Listing:
    """What a source holds: the camera (key or topic) that is read, and its episodes, the unusable ones as errors."""

    camera: str
    entries: Iterable[Episode | EpisodeError]


@dataclass(frozen=True)
class Reader:
    """One format.

    Attributes:
        layout: the files that make a source of this format, for messages.
        recognises: whether a path holds such files; looks at names only, or little more.
        list_episodes: lists a path's episodes. Raises EpisodeError where none of them could be used.
    """

    layout: str
    recognises: Callable[[Path], bool]
    list_episodes: Callable[[Path, SourceOptions], Listing]


def attempt(task: str, number: int, open_episode: Callable[[], Episode]) -> Episode | EpisodeError:
    """The episode, or the error with its task and number."""
    try:
        return open_episode()
    except EpisodeError as error:
        return error.of(task, number)
