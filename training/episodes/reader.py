"""What the readers of all formats share: their options, and how each is described and listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from training.episodes.episode import Episode, EpisodeError
from training.episodes.instructions import Phrasings
from training.episodes.robotwin_clock import STEP_DURATION

CHANNEL_ORDERS = ("bgr", "rgb")
GROUP_COLUMNS = ("group", "scene", "episode")


@dataclass(frozen=True)
class SourceOptions:
    """What the user chooses about a source. Each format uses the options that concern it.

    Attributes:
        camera: key of the camera; None is the format's head camera.
        image_topic: of a bag; None is its only image topic.
        instruction_topic: of a bag; None is its only std_msgs/String topic.
        instruction: the sentence for all episodes, in place of the source's own ones; None is those.
        task_instructions: the same for single tasks, as (task, sentence); they come before `instruction`.
        task: name of the task, for formats that do not have one; None is the name of the folder.
        fps: rate in Hz to which bags and LeRobot datasets are resampled, and that of a folder of frames; None is the
            source's own, for a folder of frames and for ready pairs RoboTwin's.
        max_gap: seconds between two images of a bag beyond which the episode is split.
        channel_order: of RoboTwin's HDF5 pictures that bear no mark: "bgr" for red and blue swapped, as its writers
            left them until September 2026, "rgb" for standard pictures.
        horizon: steps between the two frames of ready pairs.
        group_column: of a table of ready pairs: rows with the same value stay in one split; None is the first of
            `GROUP_COLUMNS` that the table has.

    Raises:
        ValueError: a rate that is not above 0 and at most 1000 Hz, a gap that is not positive, an empty instruction,
            an unknown channel order, a horizon below 1.
    """

    camera: str | None = None
    image_topic: str | None = None
    instruction_topic: str | None = None
    instruction: str | None = None
    task_instructions: tuple[tuple[str, str], ...] = ()
    task: str | None = None
    fps: float | None = None
    max_gap: float = 0.5
    channel_order: str = "bgr"
    horizon: int = 50
    group_column: str | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ValueError("the rate (fps) must be above 0 and at most 1000 Hz")
        if not self.max_gap > 0:
            raise ValueError("the longest gap must be a positive number of seconds")
        given = [sentence for _, sentence in self.task_instructions]
        if not all(sentence.strip() for sentence in [*given, "." if self.instruction is None else self.instruction]):
            raise ValueError("the instruction is empty")
        if self.channel_order not in CHANNEL_ORDERS:
            raise ValueError(f"the channel order must be one of {', '.join(CHANNEL_ORDERS)}")
        if self.horizon < 1:
            raise ValueError("the horizon must be at least 1 step")

    @property
    def pair_step(self) -> float:
        """Seconds per step of ready pairs, which do not say it."""
        return 1 / self.fps if self.fps else STEP_DURATION

    def instruction_for(self, task: str) -> str | None:
        """The instruction that the user gives for a task, None for the source's own."""
        sentence = dict(self.task_instructions).get(task, self.instruction)
        return None if sentence is None else sentence.strip()

    def phrasings(self, task: str) -> Phrasings | None:
        """Seen and unseen phrasings where the user gives the task's instruction, else None."""
        sentence = self.instruction_for(task)
        return None if sentence is None else ((sentence,), ())


@dataclass(frozen=True)
class Listing:
    """What a source holds: the camera (key or topic) that is read, its episodes, the unusable ones as errors, and the
    order of the pictures' channels where the user chooses it."""

    camera: str
    entries: Iterable[Episode | EpisodeError]
    channel_order: str | None = None


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
