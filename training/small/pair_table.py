"""The training pairs as arrays, and which of them each step draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.dataset_index import DatasetManifest, Row


@dataclass(frozen=True)
class PairTable:
    """Training pairs by index.

    Attributes:
        frames: the distinct frames, JPEG files.
        current, future: per pair, its frames as indices into `frames`; int64 (P,).
        task: per pair, the index of its task; int64 (P,).
        instructions: the distinct instructions.
        choices: per pair, the indices of the instructions that describe its episode.
    """

    frames: list[Path]
    current: np.ndarray
    future: np.ndarray
    task: np.ndarray
    instructions: list[str]
    choices: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.current)


def hold_out_episodes(rows: Sequence[Row], per_task: int) -> tuple[list[Row], list[Row]]:
    """Splits rows by episode: the last `per_task` episodes of each task are for validation.

    Raises ValueError if a task would keep no episode to train on.
    """
    episodes = defaultdict(set)
    for row in rows:
        episodes[row.task].add(row.episode)
    held_out = set()
    for task, numbers in episodes.items():
        if len(numbers) <= per_task:
            raise ValueError(
                f"{task} has {len(numbers)} training episodes, of which validation.episodes_per_task={per_task} would "
                "leave none to train on"
            )
        held_out |= {(task, number) for number in sorted(numbers)[len(numbers) - per_task :]}
    kept = [row for row in rows if (row.task, row.episode) not in held_out]
    return kept, [row for row in rows if (row.task, row.episode) in held_out]


def make_pair_table(rows: Sequence[Row], manifest: DatasetManifest) -> PairTable:
    """Indexes the rows. An episode's pairs share all of its "seen" phrasings, not only the one in each row."""
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
    return PairTable(
        current=np.array([frame_index.setdefault(row.input_image, len(frame_index)) for row in rows]),
        future=np.array([frame_index.setdefault(row.edited_image, len(frame_index)) for row in rows]),
        task=np.array([task_index[row.task] for row in rows]),
        frames=list(frame_index),
        instructions=list(instruction_index),
        choices=pair_choices,
    )


class BatchSampler:
    """Draws each step's pairs as a function of (seed, step, process) alone, so that a resumed run draws the same."""

    def __init__(self, table: PairTable, batch_size: int, seed: int, process: int = 0, balance_tasks: bool = True):
        self.table, self.batch_size, self.seed, self.process = table, batch_size, seed, process
        self.groups = (
            [np.flatnonzero(table.task == task) for task in np.unique(table.task)]
            if balance_tasks
            else [np.arange(len(table))]
        )

    def draw(self, step: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Pairs (B,), their instructions (B,), and a seed for the step's noise."""
        random = np.random.default_rng([self.seed, self.process, step])
        groups = random.integers(len(self.groups), size=self.batch_size)
        pairs = np.array([random.choice(self.groups[group]) for group in groups])
        instructions = np.array([random.choice(self.table.choices[pair]) for pair in pairs])
        return pairs, instructions, int(random.integers(2**62))
