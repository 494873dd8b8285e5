"""Frames of a dataset from which several instructions are possible, each with the future that follows from it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from training.dataset.index import DatasetManifest, EpisodeRecord, Row
from training.dataset.pairs import choose_phrasings
from training.dataset.stored_pairs import read_frame
from training.episodes.scene import Scene
from training.evaluation.scoring.regions import CHANGE

MIN_AREA = 0.005
"""Share of the picture in which two futures must differ to be told apart; below lie noise and what has hardly begun."""

PHRASINGS = ("seen", "unseen")
START, BRANCH = "start", "branch"


@dataclass(frozen=True)
class Future:
    """One possible future: the row that shows it, the scene of its episode, and the words for it by kind of phrasing.

    An episode without phrasings of a kind lacks that key.
    """

    row: Row
    scene: Scene
    words: dict[str, str]


@dataclass(frozen=True)
class Choice:
    """A frame and its possible futures, at least two that can be told apart.

    Attributes:
        scene: task and number, what the choices of one scene have in common.
        place: "start" of episodes, or "branch" in mid-motion.
        query: the row whose current frame, and whatever came before it, every prediction starts from.
        futures: one per instruction.
        classes: per future a number from 0; those that look the same, or are told in the same words, share it.
    """

    scene: tuple[str, int]
    place: str
    query: Row
    futures: tuple[Future, ...]
    classes: tuple[int, ...] = ()

    @property
    def phrasings(self) -> list[str]:
        """The kinds of phrasing that all of its futures have."""
        return [kind for kind in PHRASINGS if all(kind in future.words for future in self.futures)]


@dataclass(frozen=True)
class Choices:
    """The choices of a split, and how many frames were left out for each reason."""

    usable: tuple[Choice, ...]
    left_out: dict[str, int]


def find_choices(manifest: DatasetManifest, rows: Sequence[Row]) -> list[Choice]:
    """All frames of some rows from which at least two episodes go on, by the scenes in the manifest. Reads no file.

    The episodes of a scene that are no branches start from one frame; a branch starts from a frame of its parent, which
    goes on itself.
    """
    records = {(record.task, record.number): record for record in manifest.episodes if record.scene}
    by_frame = {(row.task, row.episode, row.frame): row for row in reversed(rows)}
    groups: dict[tuple, list[Row]] = defaultdict(list)
    for (task, number), record in records.items():
        scene, first = record.scene, by_frame.get((task, number, 0))
        if first is None:
            continue
        if scene.branch_of is None:
            groups[task, scene.number, START, 0, 0].append(first)
        else:
            groups[task, scene.number, BRANCH, scene.branch_of, scene.branch_frame].append(first)
    choices = []
    for (task, number, place, parent, frame), firsts in sorted(groups.items()):
        # The parent comes first: it has the earlier frames, and all predictions must start from the same.
        own = by_frame.get((task, parent, frame)) if place == BRANCH and (task, parent) in records else None
        firsts = ([own] if own else []) + sorted(firsts, key=lambda row: row.episode)
        if len(firsts) > 1:
            futures = tuple(_future(row, records[row.task, row.episode], manifest.seed) for row in firsts)
            choices.append(Choice((task, number), place, firsts[0], futures))
    return choices


def _future(row: Row, record: EpisodeRecord, seed: int) -> Future:
    known = {kind: getattr(record, kind) for kind in PHRASINGS}
    key = (row.task, row.episode, row.frame)
    words = {kind: choose_phrasings(texts, seed, *key)[0] for kind, texts in known.items() if texts}
    return Future(row, record.scene, words)


def look_at_choices(
    choices: Iterable[Choice],
    min_area: float = MIN_AREA,
    size: tuple[int, int] | None = None,
    on_choice: Callable[[], object] = lambda: None,
) -> Choices:
    """Sorts out what can be told apart in the pictures.

    Args:
        choices: of `find_choices`.
        min_area: share of the picture in which two futures must differ.
        size: (width, height) that frames are resized to; None keeps them.

    Raises:
        DatasetError: a frame cannot be read.
    """
    usable, left_out = [], Counter()
    for choice in choices:
        reason, classes = _classes(choice, min_area, size)
        if reason:
            left_out[reason] += 1
        else:
            usable.append(replace(choice, classes=classes))
        on_choice()
    return Choices(tuple(usable), dict(left_out))


def _classes(choice: Choice, min_area: float, size: tuple[int, int] | None) -> tuple[str | None, tuple[int, ...]]:
    """Why the frame is no choice, or None; and the classes of its futures."""
    currents = [read_frame(future.row.input_image, size) for future in choice.futures]
    if any(each.shape != currents[0].shape or changed(each, currents[0]).any() for each in currents[1:]):
        return "the episodes do not start from the same frame", ()
    pictures = [read_frame(future.row.edited_image, size) for future in choice.futures]
    told = [(future.scene.verb, future.scene.roles) for future in choice.futures]
    classes = list(range(len(pictures)))
    for one in range(len(pictures)):
        for other in range(one):
            if told[one] == told[other] or changed(pictures[one], pictures[other]).mean() < min_area:
                classes = [classes[other] if each == classes[one] else each for each in classes]
    numbers = {name: index for index, name in enumerate(dict.fromkeys(classes))}
    if len(numbers) < 2:
        return "the futures look the same", ()
    return None, tuple(numbers[name] for name in classes)


def changed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where two frames, uint8 RGB (H, W, 3), differ by more than noise in any channel; bool (H, W)."""
    return cv2.absdiff(one, other).max(axis=2) > CHANGE


def differing_region(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Where any two of some frames differ by more than noise in any channel; bool (H, W)."""
    stack = np.stack(pictures)
    return (stack.max(axis=0) - stack.min(axis=0)).max(axis=2) > CHANGE
