"""The arithmetic of the dataset: which frames make a pair, which episodes are for testing, which phrasings a pair gets.

Every choice is drawn from a hash of what it is about, so it depends neither on the order of work nor, where possible,
on the other episodes, and a resumed build makes the same choices as an uninterrupted one.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

EpisodeKey = tuple[str, int]  # task, number
SplitUnit = tuple[str, int | str]  # task, and what is assigned to one split as a whole: an episode, or a scene

DRAW_LIMIT = 2**64  # draws are below
_BUCKET_BITS = 16


def pair_starts(frame_count: int, horizon: int, stride: int = 1, tail: str = "drop") -> range:
    """Indices of the current frames of an episode's pairs.

    With the tail "drop" these are the frames i for which frame i + horizon exists too; with "clamp" all frames, where
    the last `horizon` ones have the episode's last frame as their future. Empty for an episode too short for a pair.
    """
    if tail == "clamp":
        return range(0, frame_count if frame_count > 1 else 0, stride)
    return range(0, max(0, frame_count - horizon), stride)


def future_frame(start: int, horizon: int, frame_count: int) -> int:
    """Index of the frame `horizon` steps after `start`, at most that of the last one."""
    return min(start + horizon, frame_count - 1)


def used_frames(starts: Iterable[int], horizon: int, frame_count: int) -> list[int]:
    """Indices of all frames that occur in a pair, ascending, each once."""
    starts = list(starts)
    return sorted({*starts, *(future_frame(start, horizon, frame_count) for start in starts)})


def split_unit(task: str, number: int, scene: int | None) -> SplitUnit:
    """What an episode is split with: its scene if that is known, as its twins and branches share frames with it."""
    return task, number if scene is None else f"scene {scene}"


def split_episodes(episodes: Iterable[SplitUnit], test_fraction: float, seed: int) -> dict[SplitUnit, str]:
    """Assigns every episode, or scene, to "train" or "test", in the same proportion within each task.

    Whole episodes are split, because neighbouring frames are near-duplicates and a split by pair would leak. A task
    with two episodes or more has at least one on either side, unless the fraction is 0 or 1.
    """
    by_task = defaultdict(list)
    for task, number in episodes:
        by_task[task].append(number)
    split = {}
    for task, numbers in by_task.items():
        ranked = sorted(numbers, key=lambda number: draw(seed, task, number))
        count = _test_count(len(ranked), test_fraction)
        split.update({(task, number): "test" if rank < count else "train" for rank, number in enumerate(ranked)})
    return split


def choose_phrasings(
    phrasings: Sequence[str], seed: int, task: str, episode: int, frame: int, count: int = 1
) -> list[str]:
    """`count` different phrasings (all of them if there are fewer), always the same for the same arguments.

    Each is uniform over pairs, and more of them begin with the same ones.
    """
    first = draw(seed, task, episode, frame) % len(phrasings)
    if count == 1:
        return [phrasings[first]]
    others = [index for index in range(len(phrasings)) if index != first]
    others.sort(key=lambda index: draw(seed, task, episode, frame, index))
    return [phrasings[index] for index in [first, *others][:count]]


def draw(*what: object) -> int:
    """A number in [0, DRAW_LIMIT), uniform over different arguments and always the same for the same ones."""
    return int.from_bytes(hashlib.sha256(repr(what).encode()).digest()[:8], "big")


def limit_for(draws: Callable[[], Iterable[int]], count: int) -> int:
    """The limit below which exactly `count` of the draws lie; DRAW_LIMIT if there are not more than that.

    `draws` is called twice and must give the same draws. They are not kept: the first pass counts them by their leading
    bits, and only those that share the leading bits of the limit are sorted.
    """
    shift = DRAW_LIMIT.bit_length() - 1 - _BUCKET_BITS
    buckets = Counter(value >> shift for value in draws())
    below = 0
    for bucket in range(1 << _BUCKET_BITS):
        if below + buckets[bucket] > count:
            return sorted(value for value in draws() if value >> shift == bucket)[count - below]
        below += buckets[bucket]
    return DRAW_LIMIT


def _test_count(episode_count: int, test_fraction: float) -> int:
    if test_fraction in (0, 1):
        return int(episode_count * test_fraction)
    return min(max(1, round(episode_count * test_fraction)), episode_count - 1)
