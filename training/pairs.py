"""The arithmetic of the dataset: which frames make a pair, which episodes are for testing, which phrasing a pair gets.

Every choice is drawn from a hash of what it is about, so it depends neither on the order of work nor on the other
episodes, and a resumed build makes the same choices as an uninterrupted one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

EpisodeKey = tuple[str, int]  # task, number


def pair_starts(frame_count: int, horizon: int, stride: int = 1) -> range:
    """Indices i of the current frames for which frame i + horizon exists too; empty for a short episode."""
    return range(0, max(0, frame_count - horizon), stride)


def used_frames(starts: Iterable[int], horizon: int) -> list[int]:
    """Indices of all frames that occur in a pair, ascending, each once."""
    starts = list(starts)
    return sorted({*starts, *(start + horizon for start in starts)})


def split_episodes(episodes: Iterable[EpisodeKey], test_fraction: float, seed: int) -> dict[EpisodeKey, str]:
    """Assigns every episode to "train" or "test", in the same proportion within each task.

    Whole episodes are split, because neighbouring frames are near-duplicates and a split by pair would leak. A task
    with two episodes or more has at least one on either side, unless the fraction is 0 or 1.
    """
    by_task = defaultdict(list)
    for task, number in episodes:
        by_task[task].append(number)
    split = {}
    for task, numbers in by_task.items():
        ranked = sorted(numbers, key=lambda number: _draw(seed, task, number))
        count = _test_count(len(ranked), test_fraction)
        split.update({(task, number): "test" if rank < count else "train" for rank, number in enumerate(ranked)})
    return split


def choose_phrasing(phrasings: Sequence[str], seed: int, task: str, episode: int, frame: int) -> str:
    """One of the phrasings, uniformly over pairs, always the same for the same arguments."""
    return phrasings[_draw(seed, task, episode, frame) % len(phrasings)]


def _test_count(episode_count: int, test_fraction: float) -> int:
    if test_fraction in (0, 1):
        return int(episode_count * test_fraction)
    return min(max(1, round(episode_count * test_fraction)), episode_count - 1)


def _draw(*what: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(what).encode()).digest()[:8], "big")
