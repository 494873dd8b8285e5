"""ROS 2 bags (mcap or sqlite3) of one's own robot: an image topic, raw or compressed, and an instruction topic.

    BAGS/{task}/metadata.yaml + .mcap or .db3         a bag folder, or a folder of them
    BAGS/{task}.mcap, BAGS/{task}.db3                 or single files

An episode starts with each message on the instruction topic, so that each has to be published once (`ros2 topic pub
--once`); images before the first one belong to none. With an instruction among the options, a bag is one episode. A
pause of more than `max_gap` seconds between two images ends an episode and starts the next, with the same instruction.
Within an episode, frames are taken at regular steps, each the image with the nearest stamp. The stamps are those in
the images' headers, or the bag's times where the headers' are unset or do not ascend. Instructions have no stamp, so
that they are compared with the images by the bag's times.

Read with `rosbags`; no ROS has to be installed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from training.episodes.bag_file import decode_image, open_bag, topic_messages
from training.episodes.bag_index import BagIndex, index_bag
from training.episodes.episode import Episode, EpisodeError, FrameSource
from training.episodes.files import absolute, reading
from training.episodes.reader import Listing, Reader, SourceOptions, attempt
from training.episodes.resampling import ascending_runs, nearest_frames, nominal_step, split_at_gaps

_SUFFIXES = (".mcap", ".db3")


@dataclass(frozen=True, eq=False)
class BagFrames(FrameSource):
    """Images of a bag.

    Attributes:
        path, topic: where they are.
        keys: per frame the image's bag time in nanoseconds, and its rank among images of the same time; ascending,
            int64 (N, 2).
    """

    path: Path
    topic: str
    keys: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        for _, kind, raw in self._messages(indices):
            yield decode_image(self.path, kind, raw)

    def checksum(self) -> str:
        digest = hashlib.sha256()
        for index, kind, raw in self._messages(range(len(self))):
            digest.update(f"{self.keys[index].tolist()} {kind} {len(raw)}:".encode())
            digest.update(raw)
        return digest.hexdigest()

    def _messages(self, indices: Sequence[int]) -> Iterator[tuple[int, str, bytes]]:
        """Yields (index, type, serialized image), each ascending run of indices in one pass."""
        with open_bag(self.path) as bag:
            for run in ascending_runs(indices):
                wanted = iter(run)
                index = next(wanted)
                start, stop = int(self.keys[index, 0]), int(self.keys[run[-1], 0]) + 1
                for key, kind, raw in _ranked(topic_messages(bag, self.path, self.topic, start, stop)):
                    while index is not None and key == tuple(self.keys[index]):
                        yield index, kind, raw
                        index = next(wanted, None)
                if index is not None:
                    raise EpisodeError(self.path, f"frame {index} is not there any more")


def _ranked(messages: Iterator[tuple[int, str, bytes]]) -> Iterator[tuple[tuple[int, int], str, bytes]]:
    """Yields ((time, rank among those of this time), type, serialized message)."""
    previous, rank = None, 0
    for time, kind, raw in messages:
        rank = rank + 1 if time == previous else 0
        previous = time
        yield (time, rank), kind, raw


def recognises(path: Path) -> bool:
    """Whether the path is a bag, or a folder of bags."""
    return bool(_bags(path))


def list_episodes(path: Path, options: SourceOptions) -> Listing:
    """Indexes the bags and cuts them into episodes; the episodes of a task are numbered through its bags.

    A bag is unusable if it is damaged, a topic is missing or ambiguous, or it has no instruction.
    """
    indexed: list[BagIndex | EpisodeError] = []
    for bag in _bags(path):
        task = options.task or _name(bag)
        try:
            given = options.instruction_for(task)
            indexed.append(index_bag(bag, options.image_topic, options.instruction_topic, given))
        except EpisodeError as error:
            indexed.append(EpisodeError(error.path, error.reason, task))
    indices = [each for each in indexed if isinstance(each, BagIndex)]
    entries: list[Episode | EpisodeError] = [each for each in indexed if isinstance(each, EpisodeError)]
    if indices:
        step = 1 / options.fps if options.fps else _native_step(path, indices, options.max_gap)
        entries.extend(_episodes(indices, options, step))
    topics = sorted({index.topic for index in indices})
    return Listing(", ".join(topics) or (options.image_topic or "none"), entries)


READER = Reader("{task}/metadata.yaml with .mcap or .db3, or such a file", recognises, list_episodes)


def _bags(path: Path) -> list[Path]:
    """The path itself if it is a bag, else the bags in it."""

    def is_bag(path: Path) -> bool:
        return (path / "metadata.yaml").is_file() or (path.is_file() and path.suffix in _SUFFIXES)

    if is_bag(path):
        return [path]
    with reading(path):
        return sorted(filter(is_bag, path.iterdir())) if path.is_dir() else []


def _name(bag: Path) -> str:
    return absolute(bag).name.removesuffix(".mcap").removesuffix(".db3")


def _native_step(path: Path, indices: list[BagIndex], max_gap: float) -> float:
    """The step that the camera had, the same for all bags of a source."""
    intervals = [np.diff(index.stamps[piece]) for index in indices for piece in split_at_gaps(index.stamps, max_gap)]
    try:
        return nominal_step(np.concatenate(intervals))
    except ValueError as error:
        raise EpisodeError(path, error) from error


def _episodes(indices: list[BagIndex], options: SourceOptions, step: float) -> Iterator[Episode | EpisodeError]:
    numbers: Counter[str] = Counter()
    for index in indices:
        task = options.task or _name(index.path)
        pieces = list(_pieces(index, options.max_gap))
        if not pieces:
            yield EpisodeError(index.path, f"no image on {index.topic} after the first instruction", task)
        for instruction, positions in pieces:
            opened = partial(_open_episode, index, task, numbers[task], instruction, positions, step)
            yield attempt(task, numbers[task], opened)
            numbers[task] += 1


def _pieces(index: BagIndex, max_gap: float) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (instruction, positions of the images) of each episode."""
    starts = np.searchsorted(index.times, [time for time, _ in index.instructions])
    for (_, instruction), start, stop in zip(index.instructions, starts, [*starts[1:], len(index.times)], strict=True):
        if start < stop:
            for piece in split_at_gaps(index.stamps[start:stop], max_gap):
                yield instruction, start + piece


def _open_episode(
    index: BagIndex, task: str, number: int, instruction: str, positions: np.ndarray, step: float
) -> Episode:
    if not instruction:
        raise EpisodeError(index.path, "an empty instruction")
    positions = positions[nearest_frames(index.stamps[positions], step)]
    times = index.times[positions]
    keys = np.stack([times, positions - np.searchsorted(index.times, times)], axis=1)
    return Episode(task, number, BagFrames(index.path, index.topic, keys), step, (instruction,), (), index.path)
