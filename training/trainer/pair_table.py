"""The training pairs as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.dataset.index import DatasetManifest, Row
from training.dataset.pairs import future_frame
from training.trainer.mirroring import mirror_instruction

NO_MIRROR = -1
NO_FRAME = -1


@dataclass(frozen=True)
class PairTable:
    """Training pairs by index.

    Attributes:
        frames: the distinct frames, JPEG files.
        current, future: per pair, its frames as indices into `frames`; int64 (P,).
        horizon: steps from one to the other.
        clamped: whether the future of an episode's last frames is its very last one.
        episode, position: per pair, the index of its episode and the number of its current frame there; int64 (P,).
        stored: per episode, the index into `frames` of each of its frames by number, `NO_FRAME` where it is not stored.
        task: per pair, the index of its task in `tasks`; int64 (P,).
        instructions: the distinct instructions, then the mirrored ones that are not among them.
        choices: per pair, the indices of the instructions that describe its episode.
        mirrored: per instruction that a pair may draw, the index of its mirror image or `NO_MIRROR`; int64.
        dataset: digest of the dataset that the pairs are of.
    """

    frames: list[Path]
    current: np.ndarray
    future: np.ndarray
    horizon: int
    clamped: bool
    episode: np.ndarray
    position: np.ndarray
    stored: list[np.ndarray]
    task: np.ndarray
    tasks: list[str]
    instructions: list[str]
    choices: list[np.ndarray]
    mirrored: np.ndarray
    dataset: str

    def __len__(self) -> int:
        return len(self.current)


def choose_tasks(rows: Sequence[Row], tasks: Sequence[str] | None) -> list[Row]:
    """The rows of these tasks; all of them for None. Raises ValueError for a task that has no rows."""
    if tasks is None:
        return list(rows)
    there = {row.task for row in rows}
    for task in tasks:
        if task not in there:
            raise ValueError(f"data.tasks: the dataset has no task {task}; its tasks are {', '.join(sorted(there))}")
    return [row for row in rows if row.task in tasks]


def choose_samples(rows: Sequence[Row], count: int | None, seed: int) -> list[Row]:
    """`count` of the rows, drawn at random, in their order; all of them for None or a count that is too large."""
    if count is None or count >= len(rows):
        return list(rows)
    return [rows[index] for index in np.sort(np.random.default_rng(seed).permutation(len(rows))[:count])]


def make_pair_table(rows: Sequence[Row], manifest: DatasetManifest, mirror: bool = False) -> PairTable:
    """Indexes the rows. An episode's pairs share all of its "seen" phrasings, not only the one in each row.

    With `mirror`, also the mirrored instructions, for those that have one.
    """
    frame_index: dict[Path, int] = {}
    instruction_index: dict[str, int] = {}
    task_index = {task: number for number, task in enumerate(sorted({row.task for row in rows}))}
    seen = {(record.task, record.number): record.seen for record in manifest.episodes}
    choices: dict[tuple[str, ...], np.ndarray] = {}
    pair_choices = []
    for row in rows:
        phrasings = tuple(seen.get((row.task, row.episode)) or (row.prompt,))
        if phrasings not in choices:
            numbers = [instruction_index.setdefault(text, len(instruction_index)) for text in phrasings]
            choices[phrasings] = np.array(numbers)
        pair_choices.append(choices[phrasings])
    current, future = (
        np.array([frame_index.setdefault(getattr(row, side), len(frame_index)) for row in rows])
        for side in ("input_image", "edited_image")
    )
    episode, stored = _index_episodes(rows, manifest, current, future)
    return PairTable(
        current=current,
        future=future,
        horizon=manifest.horizon,
        clamped=manifest.tail == "clamp",
        episode=episode,
        position=np.array([row.frame for row in rows]),
        stored=stored,
        task=np.array([task_index[row.task] for row in rows]),
        tasks=list(task_index),
        frames=list(frame_index),
        choices=pair_choices,
        mirrored=_index_mirrored(instruction_index, mirror),
        instructions=list(instruction_index),
        dataset=manifest.digest(),
    )


def _index_episodes(
    rows: Sequence[Row], manifest: DatasetManifest, current: np.ndarray, future: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The episode of each row, and what of each episode is stored; see `PairTable`."""
    lengths = {(record.task, record.number): record.frames for record in manifest.episodes}
    numbers: dict[tuple[str, int], int] = {}
    frames: list[dict[int, int]] = []
    episode = np.empty(len(rows), np.int64)
    for place, row in enumerate(rows):
        key = row.task, row.episode
        episode[place] = number = numbers.setdefault(key, len(numbers))
        if number == len(frames):
            frames.append({})
        frames[number][row.frame] = current[place]
        last = future_frame(row.frame, manifest.horizon, lengths.get(key, row.frame + manifest.horizon + 1))
        frames[number][last] = future[place]
    stored = [np.full(max(each) + 1, NO_FRAME) for each in frames]
    for array, each in zip(stored, frames, strict=True):
        array[list(each)] = list(each.values())
    return episode, stored


def _index_mirrored(index: dict[str, int], mirror: bool) -> np.ndarray:
    """Adds the mirrored instructions to the index; returns, for those that were there, where each one's is."""
    mirrored = [mirror_instruction(text) if mirror else None for text in list(index)]
    return np.array([NO_MIRROR if text is None else index.setdefault(text, len(index)) for text in mirrored])
