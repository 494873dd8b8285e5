"""What a dataset will consist of: options and episodes in, the manifest out. No file is touched here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from training.dataset_index import DatasetError, DatasetManifest, EpisodeRecord
from training.episodes import Episode
from training.pairs import EpisodeKey, pair_starts, split_episodes, used_frames
from training.stored_frames import StoredEpisode


@dataclass(frozen=True)
class DatasetOptions:
    """How episodes become pairs. `horizon` and `stride` in steps, `test_fraction` of each task's episodes.

    Raises ValueError for values without meaning.
    """

    horizon: int = 50
    stride: int = 1
    seed: int = 42
    test_fraction: float = 0.1
    jpeg_quality: int = 95

    def __post_init__(self) -> None:
        if self.horizon < 1 or self.stride < 1:
            raise ValueError("horizon and stride must be at least 1 step")
        if not 0 <= self.test_fraction <= 1:
            raise ValueError("the test fraction must lie between 0 and 1")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError("the JPEG quality must lie between 1 and 100")


def episode_key(episode: Episode | EpisodeRecord | StoredEpisode) -> EpisodeKey:
    """Task and number, which together name an episode."""
    return episode.task, episode.number


class DatasetPlan:
    """Which episodes are used, with which frames.

    Attributes:
        options, source: as given.
        usable: episodes longer than the horizon, ordered by task and number.
        skipped: the others, in the same order.
    """

    def __init__(self, episodes: Iterable[Episode], options: DatasetOptions, source: dict[str, str]):
        """Raises DatasetError if no episode is usable, two have the same task and number, or their rates differ."""
        self.options, self.source = options, source
        ordered = sorted(episodes, key=episode_key)
        self.usable = [episode for episode in ordered if len(episode) > options.horizon]
        self.skipped = [episode for episode in ordered if len(episode) <= options.horizon]
        if not self.usable:
            raise DatasetError(f"no episode is longer than the horizon of {options.horizon} frames; nothing to build")
        for one, other in pairwise(ordered):
            if episode_key(one) == episode_key(other):
                raise DatasetError(f"two episodes {one.number} of task {one.task}: {one.path} and {other.path}")
        self.step_duration = self.usable[0].step_duration
        durations = {episode.step_duration for episode in self.usable}
        if len(durations) > 1:
            raise DatasetError(f"episodes of different step durations: {sorted(durations)} s")

    def frame_indices(self, episode: Episode) -> list[int]:
        """Indices of the frames to store: those that occur in a pair."""
        return used_frames(self._starts(episode), self.options.horizon)

    def manifest(self, stored: dict[EpisodeKey, StoredEpisode]) -> DatasetManifest:
        """The manifest, given the stored form of every usable episode. Raises DatasetError if frame sizes differ."""
        size = _common_size([stored[episode_key(episode)] for episode in self.usable])
        split = split_episodes(map(episode_key, self.usable), self.options.test_fraction, self.options.seed)
        records = tuple(
            EpisodeRecord(
                task=episode.task,
                number=episode.number,
                split=split[episode_key(episode)],
                frames=len(episode),
                pairs=len(self._starts(episode)),
                fingerprint=stored[episode_key(episode)].fingerprint,
                seen=episode.seen,
                unseen=episode.unseen,
            )
            for episode in self.usable
        )
        return DatasetManifest(
            source=self.source,
            **asdict(self.options),
            step_duration=self.step_duration,
            image_size=size,
            splits=self._counts(records),
            phrasings=_all_phrasings(self.usable),
            episodes=records,
            skipped=tuple({"task": e.task, "number": e.number, "frames": len(e)} for e in self.skipped),
        )

    def _starts(self, episode: Episode) -> range:
        return pair_starts(len(episode), self.options.horizon, self.options.stride)

    def _counts(self, records: tuple[EpisodeRecord, ...]) -> dict[str, dict[str, Any]]:
        counts: dict[str, dict[str, Any]] = {}
        for episode, record in zip(self.usable, records, strict=True):
            of_split = counts.setdefault(record.split, {"episodes": 0, "frames": 0, "pairs": 0, "tasks": {}})
            of_task = of_split["tasks"].setdefault(record.task, {"episodes": 0, "frames": 0, "pairs": 0})
            for count in (of_split, of_task):
                count["episodes"] += 1
                count["frames"] += len(self.frame_indices(episode))
                count["pairs"] += record.pairs
        return counts


def _common_size(stored: list[StoredEpisode]) -> tuple[int, int]:
    for episode in stored:
        if episode.size != stored[0].size:
            sizes = [f"{e.task} episode {e.number} has {e.size[0]}x{e.size[1]}" for e in (stored[0], episode)]
            raise DatasetError(f"frames of mixed sizes: {', '.join(sizes)}")
    return stored[0].size


def _all_phrasings(episodes: list[Episode]) -> dict[str, dict[str, list[str]]]:
    """Per task the seen and unseen phrasings of all its episodes, each once."""
    phrasings: dict[str, dict[str, list[str]]] = {}
    for episode in episodes:
        of_task = phrasings.setdefault(episode.task, {"seen": [], "unseen": []})
        for key, sentences in (("seen", episode.seen), ("unseen", episode.unseen)):
            of_task[key] = list(dict.fromkeys([*of_task[key], *sentences]))
    return phrasings
