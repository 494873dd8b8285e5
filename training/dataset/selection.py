"""Which pairs are in the dataset, and in which split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from training.dataset.options import DatasetOptions
from training.dataset.pairs import (
    DRAW_LIMIT,
    EpisodeKey,
    draw,
    limit_for,
    pair_starts,
    split_episodes,
    split_unit,
    used_frames,
)


class EpisodeSize(NamedTuple):
    """What the selection needs to know of an episode.

    Name, number of frames, whether it must be for training, the number of its scene where known, and whether it shows
    something that is kept for tests.
    """

    task: str
    number: int
    frames: int
    train_only: bool = False
    scene: int | None = None
    held_out: bool = False


Pair = tuple[str, int, int]  # task, episode, current frame


class Selection:
    """Chooses pairs by comparing a draw of each with a limit, so that the limits are kept and never a list of pairs."""

    def __init__(self, episodes: Iterable[EpisodeSize], options: DatasetOptions):
        """Goes over all pairs once or more, as the options need; touches no file."""
        self._options, self._episodes = options, tuple(episodes)
        self._kept_limit = self._test_limit = DRAW_LIMIT
        self._train_limits: dict[str, int] = {}
        self._train_only = {(episode.task, episode.number) for episode in self._episodes if episode.train_only}
        units = {
            (each.task, each.number): split_unit(each.task, each.number, each.scene)
            for each in self._episodes
            if not each.train_only
        }
        split_of_unit = split_episodes(dict.fromkeys(units.values()), options.test_fraction, options.seed)
        self._split_of_episode = {key: split_of_unit[unit] for key, unit in units.items()}
        # What is kept for tests is not trained on: in a scene for training it is left out.
        held_out = {(each.task, each.number) for each in self._episodes if each.held_out}
        self._test_only = held_out - self._train_only if options.split_by == "pair" else frozenset()
        self._left_out = {key for key in held_out if self._split((*key, 0)) == "train"}
        if options.max_pairs is not None:
            self._kept_limit = self._limit("kept", self._pairs, options.max_pairs)
        if options.split_by == "pair":
            count = sum(1 for _ in self._splittable_pairs())
            # Rounded down, which gives the counts of the paper: 9,310 of 93,103 and 2,269 of 22,695.
            self._test_limit = self._limit("test", self._splittable_pairs, int(count * options.test_fraction))
        if options.balance_tasks or options.max_train_samples is not None:
            self._train_limits = self._limits_of_tasks()

    def pairs(self, episode: EpisodeSize) -> dict[str, list[int]]:
        """The current frames of the episode's pairs, ascending, per split that has any."""
        chosen: dict[str, list[int]] = {}
        for pair in self._pairs_of(episode):
            split = self._split(pair)
            limit = self._train_limits.get(episode.task, DRAW_LIMIT) if split == "train" else DRAW_LIMIT
            if self._below("train", limit, pair):
                chosen.setdefault(split, []).append(pair[2])
        return chosen

    def leaves_out(self, key: EpisodeKey) -> bool:
        """Whether the episode is left out because it shows what is kept for tests, in a scene for training."""
        return key in self._left_out

    def frames(self, episode: EpisodeSize) -> list[int]:
        """Indices of the episode's frames that occur in a chosen pair, ascending."""
        chosen = [start for starts in self.pairs(episode).values() for start in starts]
        return used_frames(chosen, self._options.horizon, episode.frames)

    def _pairs(self) -> Iterator[Pair]:
        for episode in self._episodes:
            yield from self._pairs_of(episode)

    def _splittable_pairs(self) -> Iterator[Pair]:
        return (pair for pair in self._pairs() if pair[:2] not in self._train_only | self._test_only)

    def _pairs_of(self, episode: EpisodeSize) -> Iterator[Pair]:
        """The episode's pairs, without those beyond `max_pairs`; none of an episode that is left out."""
        options = self._options
        if (episode.task, episode.number) in self._left_out:
            return
        for start in pair_starts(episode.frames, options.horizon, options.stride, options.tail):
            pair = (episode.task, episode.number, start)
            if self._below("kept", self._kept_limit, pair):
                yield pair

    def _split(self, pair: Pair) -> str:
        if pair[:2] in self._train_only:
            return "train"
        if pair[:2] in self._test_only:
            return "test"
        if self._options.split_by == "episode":
            return self._split_of_episode[pair[:2]]
        return "test" if self._below("test", self._test_limit, pair) else "train"

    def _limits_of_tasks(self) -> dict[str, int]:
        """The limit on each task's training pairs."""

        def training_pairs(task: str | None = None) -> Iterator[Pair]:
            return (pair for pair in self._pairs() if task in (None, pair[0]) and self._split(pair) == "train")

        counts, most = Counter(pair[0] for pair in training_pairs()), self._options.max_train_samples
        if not self._options.balance_tasks:
            return dict.fromkeys(counts, self._limit("train", training_pairs, most))
        each = min(counts.values(), default=0)
        each = each if most is None else min(each, most // len(counts))
        return {task: self._limit("train", lambda task=task: training_pairs(task), each) for task in counts}

    def _limit(self, purpose: str, pairs: Callable[[], Iterable[Pair]], count: int) -> int:
        return limit_for(lambda: (self._draw(purpose, pair) for pair in pairs()), count)

    def _below(self, purpose: str, limit: int, pair: Pair) -> bool:
        return limit == DRAW_LIMIT or self._draw(purpose, pair) < limit

    def _draw(self, purpose: str, pair: Pair) -> int:
        return draw(self._options.seed, purpose, *pair)
