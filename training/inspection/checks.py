"""What may be wrong with a dataset, as sentences. Looks at a few frames of every episode."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from training.dataset.index import DatasetManifest, Row
from training.dataset.pairs import EpisodeKey
from training.dataset.stored_pairs import read_frame

_LOOKS = 8  # frames looked at per episode
_LOOK_SIZE = (32, 24)  # pixels, width and height
_FROZEN = 1.0  # levels of 255 at any point of any two looks
# Levels of 255 at any point of two episodes' looks. Copies compressed again at JPEG quality 30 differ by up to 5,
# different runs of a simulated task (144 episodes) by 42 and more.
_SAME = 12.0
_SAME_BRIGHTNESS = 2.0  # levels of 255, mean of a look


@dataclass(frozen=True)
class EpisodeLook:
    """An episode seen quickly: `frames` are evenly spaced, small and grey; float32 (L, h, w)."""

    task: str
    number: int
    splits: frozenset[str]
    frames: np.ndarray

    def __str__(self) -> str:
        return f"{self.task} episode {self.number} ({' and '.join(sorted(self.splits))})"


def look_at_episodes(
    rows_of_splits: dict[str, Sequence[Row]], on_episode: Callable[[], object] = lambda: None
) -> list[EpisodeLook]:
    """Looks at every episode. Raises DatasetError for a missing or unreadable frame."""
    episodes: dict[EpisodeKey, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for split, rows in rows_of_splits.items():
        for row in rows:
            episodes[row.task, row.episode][split].append(row)
    looks = []
    for (task, number), by_split in sorted(episodes.items()):
        rows = sorted((row for of_split in by_split.values() for row in of_split), key=lambda row: row.frame)
        paths = [*(row.input_image for row in rows), rows[-1].edited_image]
        chosen = np.linspace(0, len(paths) - 1, _LOOKS).round().astype(int)
        frames = [read_frame(paths[index], _LOOK_SIZE).mean(axis=2, dtype=np.float32) for index in chosen]
        looks.append(EpisodeLook(task, number, frozenset(by_split), np.stack(frames)))
        on_episode()
    return looks


def find_warnings(
    manifest: DatasetManifest, rows_of_splits: dict[str, Sequence[Row]], looks: Sequence[EpisodeLook]
) -> Iterator[str]:
    """Yields a sentence for everything suspicious, the worst first."""
    yield from _split_warnings(manifest, rows_of_splits)
    yield from _duplicates(manifest, looks)
    yield from (f"{look}: the camera is frozen, all frames look the same" for look in looks if _is_frozen(look))
    yield from (
        f"{record['task']} episode {record['number']}: left out, its {record['frames']} frames are too few for a pair"
        for record in manifest.skipped
    )
    yield from (f"{bad.file}: left out, {bad.reason}" for bad in manifest.bad)


def _split_warnings(manifest: DatasetManifest, rows_of_splits: dict[str, Sequence[Row]]) -> Iterator[str]:
    if manifest.split_by == "pair":
        yield "split by pair: test frames have near-duplicates in train, so test scores will be too good"
    if "test" not in rows_of_splits:
        episodes = Counter(record.task for record in manifest.episodes)
        alone = len(episodes) > 1 and max(episodes.values()) == 1
        hint = "; every task has one episode: build with --task NAME if they are all of one" if alone else ""
        yield f"there is nothing to test on{hint}"
    prompts = {split: {(row.task, row.prompt) for row in rows} for split, rows in rows_of_splits.items()}
    shared = sorted(prompts.get("train", set()) & prompts.get("test", set()))
    for task in dict.fromkeys(task for task, _ in shared):
        of_task = [prompt for other, prompt in shared if other == task]
        yield f'{task}: {len(of_task)} phrasings are in both train and test, such as "{of_task[0]}"'


def _duplicates(manifest: DatasetManifest, looks: Sequence[EpisodeLook]) -> Iterator[str]:
    """Episodes that are in the dataset twice: across splits first, where they leak."""
    checksums = {(record.task, record.number): record.checksum for record in manifest.episodes}
    found = []
    for one, other in _same_looking(looks):
        recorded = checksums[one.task, one.number] == checksums[other.task, other.number]
        how = "are the same recording" if recorded else "look the same"
        leaks = len(one.splits | other.splits) > 1
        found.append((not leaks, f"{one} and {other} {how}{', which leaks test frames into train' if leaks else ''}"))
    yield from (sentence for _, sentence in sorted(found))


def _same_looking(looks: Iterable[EpisodeLook]) -> Iterator[tuple[EpisodeLook, EpisodeLook]]:
    """Pairs of episodes with the same frames; only those of the same brightness are compared frame by frame."""
    by_brightness = sorted((look for look in looks if not _is_frozen(look)), key=_brightness)
    means = np.array([_brightness(look) for look in by_brightness])
    ends = np.searchsorted(means, means + _SAME_BRIGHTNESS, side="right")
    for index, (one, end) in enumerate(zip(by_brightness, ends, strict=True)):
        for other in by_brightness[index + 1 : end]:
            if np.abs(one.frames - other.frames).max() < _SAME:
                first, second = sorted((one, other), key=lambda look: (look.task, look.number))
                yield first, second


def _brightness(look: EpisodeLook) -> float:
    return float(look.frames.mean())


def _is_frozen(look: EpisodeLook) -> bool:
    return bool(np.ptp(look.frames, axis=0).max() < _FROZEN)
