"""What a dataset will consist of: options and episodes in, the manifest out. No file is touched here."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from training.dataset.collection import EpisodeCollection
from training.dataset.index import BadEpisode, DatasetError, DatasetManifest, EpisodeRecord
from training.dataset.options import DatasetOptions
from training.dataset.pairs import EpisodeKey, pair_starts, used_frames
from training.dataset.selection import EpisodeSize, Selection
from training.dataset.stored_frames import StoredEpisode
from training.episodes import Episode

_STEP_TOLERANCE = 0.01  # the rate of recorded cameras is only about the same each time
_COUNTS = ("episodes", "frames", "pairs", "rows")


def episode_key(episode: Episode | EpisodeRecord | StoredEpisode) -> EpisodeKey:
    """Task and number, which together name an episode."""
    return episode.task, episode.number


def episode_size(episode: Episode | EpisodeRecord) -> EpisodeSize:
    """What the selection of pairs needs to know of an episode."""
    frames = episode.frames if isinstance(episode, EpisodeRecord) else len(episode)
    scene = episode.scene
    number, held_out = (None, False) if scene is None else (scene.number, scene.held_out)
    return EpisodeSize(episode.task, episode.number, frames, scene=number, held_out=held_out, group=episode.group)


class DatasetPlan:
    """Which episodes are to be used.

    Attributes:
        collection, options: as given.
        usable: episodes long enough for a pair, ordered by task and number.
        skipped: the others, in the same order.
        step_duration: of all usable episodes, in seconds.
        known_splits: the split of the episodes that the existing dataset has; they stay in it.
    """

    def __init__(self, collection: EpisodeCollection, options: DatasetOptions):
        """Raises DatasetError if no episode is usable, two have the same task and number, or their rates differ."""
        self.collection, self.options = collection, options
        self.known_splits: dict[EpisodeKey, str] = {}
        ordered = sorted(collection.episodes, key=episode_key)
        self.usable = [episode for episode in ordered if self._has_pairs(episode)]
        self.skipped = [episode for episode in ordered if not self._has_pairs(episode)]
        if not ordered:
            first = collection.bad[0]
            raise DatasetError(f"no episode could be read, {first.file} first: {first.reason}")
        if not self.usable:
            raise DatasetError(f"no episode is longer than the horizon of {options.horizon} frames; nothing to build")
        for one, other in pairwise(ordered):
            if episode_key(one) == episode_key(other):
                raise DatasetError(f"two episodes {one.number} of task {one.task}: {one.path} and {other.path}")
        self.step_duration = self.usable[0].step_duration
        for episode in self.usable:
            if not math.isclose(episode.step_duration, self.step_duration, rel_tol=_STEP_TOLERANCE):
                steps = [f"{e.path} has {e.step_duration:g} s" for e in (self.usable[0], episode)]
                raise DatasetError(
                    f"episodes of different step durations: {', '.join(steps)}; --fps resamples some formats"
                )

    def readable(self, bad: Collection[EpisodeKey]) -> list[Episode]:
        """The usable episodes that are not among the bad ones. Raises DatasetError if none is left."""
        episodes = [episode for episode in self.usable if episode_key(episode) not in bad]
        if not episodes:
            raise DatasetError(f"no episode could be read, {self.usable[0].path} among them; nothing to build")
        return episodes

    def select(self, bad: Collection[EpisodeKey] = ()) -> Selection:
        """The selection of pairs, those of bad episodes left out."""
        return Selection(map(self._size, self.readable(bad)), self.options)

    def manifest(
        self,
        selection: Selection,
        stored: dict[EpisodeKey, StoredEpisode],
        bad: Mapping[EpisodeKey, BadEpisode],
        embedded: Iterable[str],
    ) -> DatasetManifest:
        """The manifest, given the stored form of every episode of which pairs are selected.

        Raises:
            DatasetError: no pair is selected, or frame sizes differ.
        """
        episodes = [episode for episode in self.readable(bad) if selection.pairs(episode_size(episode))]
        if not episodes:
            raise DatasetError("no pair is left with these options; nothing to build")
        size = _common_size([stored[episode_key(episode)] for episode in episodes])
        records = tuple(self._record(e, stored[episode_key(e)].checksum, selection) for e in episodes)
        return DatasetManifest(
            **asdict(self.options),
            source=self.collection.describe_sources(),
            step_duration=self.step_duration,
            image_size=size,
            splits=self._counts(records, selection),
            phrasings=_all_phrasings(episodes),
            episodes=records,
            skipped=tuple({"task": e.task, "number": e.number, "frames": len(e)} for e in self.skipped),
            held_out=tuple(
                {"task": e.task, "number": e.number} for e in self.readable(bad) if selection.leaves_out(episode_key(e))
            ),
            bad=tuple(sorted({*self.collection.bad, *bad.values()}, key=lambda record: (record.source, record.file))),
            embedded=tuple(sorted(set(embedded))),
        )

    def _size(self, episode: Episode) -> EpisodeSize:
        key = episode_key(episode)
        source, _ = self.collection.origins[key]
        train_only = source in self.collection.train_only
        return episode_size(episode)._replace(train_only=train_only, split=self.known_splits.get(key))

    def _has_pairs(self, episode: Episode) -> bool:
        return bool(pair_starts(len(episode), self.options.horizon, self.options.stride, self.options.tail))

    def _record(self, episode: Episode, checksum: str, selection: Selection) -> EpisodeRecord:
        pairs = selection.pairs(episode_size(episode))
        source, number = self.collection.origins[episode_key(episode)]
        return EpisodeRecord(
            task=episode.task,
            number=episode.number,
            split="both" if len(pairs) > 1 else next(iter(pairs)),
            frames=len(episode),
            pairs=sum(map(len, pairs.values())),
            checksum=checksum,
            seen=episode.seen,
            unseen=episode.unseen,
            source=source,
            number_in_source=number,
            scene=episode.scene,
            group=episode.group,
        )

    def _counts(self, records: tuple[EpisodeRecord, ...], selection: Selection) -> dict[str, dict[str, Any]]:
        counts: dict[str, dict[str, Any]] = {}
        for record in records:
            for split, starts in selection.pairs(episode_size(record)).items():
                of_split = counts.setdefault(split, {**dict.fromkeys(_COUNTS, 0), "tasks": {}})
                of_task = of_split["tasks"].setdefault(record.task, dict.fromkeys(_COUNTS, 0))
                frames = len(used_frames(starts, self.options.horizon, record.frames))
                phrasings = len(phrasings_for(record, split)[1])
                rows = len(starts) * min(self.options.instructions_per_pair, phrasings)
                for count in (of_split, of_task):
                    for name, value in zip(_COUNTS, (1, frames, len(starts), rows), strict=True):
                        count[name] += value
        return counts


def phrasings_for(record: EpisodeRecord, split: str) -> tuple[str, tuple[str, ...]]:
    """Which phrasings a pair of the episode gets in a split, "seen" or "unseen", and these phrasings."""
    if split == "test" and record.unseen:
        return "unseen", record.unseen
    return "seen", record.seen


def _common_size(stored: list[StoredEpisode]) -> tuple[int, int]:
    for episode in stored:
        if episode.size != stored[0].size:
            sizes = [f"{e.task} episode {e.number} has {e.size[0]}x{e.size[1]}" for e in (stored[0], episode)]
            raise DatasetError(f"frames of mixed sizes: {', '.join(sizes)}")
    return stored[0].size


def _all_phrasings(episodes: list[Episode]) -> dict[str, dict[str, list[str]]]:
    """Per task the seen and unseen phrasings of all its episodes, each once."""
    phrasings: dict[str, dict[str, dict[str, None]]] = {}
    for episode in episodes:
        of_task = phrasings.setdefault(episode.task, {"seen": {}, "unseen": {}})
        of_task["seen"].update(dict.fromkeys(episode.seen))
        of_task["unseen"].update(dict.fromkeys(episode.unseen))
    return {task: {key: list(sentences) for key, sentences in lists.items()} for task, lists in phrasings.items()}
