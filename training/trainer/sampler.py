"""Which samples each step draws, and their noise: functions of (seed, sample number) alone.

Samples are numbered through the whole run. A resumed run therefore draws what an uninterrupted one would have, and so
do two processes, one process with twice the batch, and one that accumulates two batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from training.trainer.conditions import Conditions
from training.trainer.pair_table import NO_MIRROR, PairTable
from training.trainer.recipe import Data
from training.trainer.windows import Windows

OPENING = 20
"""Frames from an episode's start that count as its opening."""


@dataclass(frozen=True)
class Draw:
    """Drawn samples, B of them.

    Attributes:
        pairs: of the table, (B,).
        instructions: indices of the table's, (B,).
        mirrored: bool (B,).
        seeds: of the noise, (B,).
        current, future: frames as indices of the table's, (B,).
        horizons: steps from one to the other, (B,).
        past: frames before the current one, (B, S), `NO_FRAME` for those that are left out or do not exist.
    """

    pairs: np.ndarray
    instructions: np.ndarray
    mirrored: np.ndarray
    seeds: np.ndarray
    current: np.ndarray
    future: np.ndarray
    horizons: np.ndarray
    past: np.ndarray


@dataclass(frozen=True)
class Noise:
    """The random numbers of a batch, float32 on the CPU.

    Attributes:
        timesteps: int64 (N,).
        noise: standard normal (N, C, h, w), to be removed again by the model.
        posterior: standard normal (N, C, h, w), to sample the autoencoder's posterior.
        dropout: uniform in [0, 1), (N,); see `drop_conditions`.
    """

    timesteps: torch.Tensor
    noise: torch.Tensor
    posterior: torch.Tensor
    dropout: torch.Tensor

    def drop_conditions(
        self, text: torch.Tensor, empty: torch.Tensor, current: torch.Tensor, probability: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Text and image conditions, with those of some samples left out (arXiv 2211.09800, section 3.2.1).

        For each sample there is a number r in [0, 1). The text is left out if r < 2 p, the image if p <= r < 3 p. So
        the text alone, both, or the image alone are left out, with probability p each.

        Args:
            text: embeddings (N, L, D) or tokens (N, L).
            empty: the empty instruction's, (1, L, D) or (1, L).
            current: latents (N, C, h, w), zero where they are left out.
            probability: p.
        """
        number = self.dropout.to(current.device)
        without_text = number < 2 * probability
        without_image = (number >= probability) & (number < 3 * probability)
        text = torch.where(without_text.view(-1, *[1] * (text.ndim - 1)), empty, text)
        return text, current * ~without_image[:, None, None, None]


class Sampler:
    """Draws samples by their number."""

    def __init__(self, table: PairTable, data: Data, seed: int, conditions: Conditions | None = None):
        self.table, self.data, self.seed = table, data, seed
        self._windows = Windows(table, conditions or Conditions())
        self._groups = [np.flatnonzero(table.task == task) for task in np.unique(table.task)]
        self._chances = None if data.shares is None else _chances(table, data.shares)
        self._openings = _openings(table, data.openings or {})
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def draw(self, first: int, count: int) -> Draw:
        """The samples from number `first` on."""
        return Draw(*(np.array(column) for column in zip(*map(self._sample, range(first, first + count)), strict=True)))

    def _sample(self, number: int) -> tuple:
        random = np.random.default_rng([self.seed, number])
        if self._chances is not None:
            pair = random.choice(self._groups[random.choice(len(self._groups), p=self._chances)])
        elif self.data.balance_tasks:
            pair = random.choice(self._groups[random.integers(len(self._groups))])
        else:
            epoch, position = divmod(number, len(self.table))
            pair = self._order(epoch)[position]
        share, firsts = self._openings.get(int(self.table.task[pair]), (0.0, ()))
        opening = share > 0 and random.random() < share
        if opening:
            pair = random.choice(firsts)
        instruction = random.choice(self.table.choices[pair])
        image = self.table.mirrored[instruction]
        mirrored = image != NO_MIRROR and random.random() < 0.5
        seed = random.integers(2**62)
        # The window comes last, so that a recipe without conditions draws what it always did.
        window = self._windows.draw(random, pair, opening)
        frames = window.current, window.future, window.horizon, window.past
        return pair, image if mirrored else instruction, mirrored, seed, *frames

    def _shuffled(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.table))


def _openings(table: PairTable, shares: Mapping[str, float]) -> dict[int, tuple[float, np.ndarray]]:
    """By task its share of openings, and its pairs that are one. Raises ValueError for a task that is not there."""
    _check_tasks("openings", shares, table)
    early = table.position < OPENING
    numbers = {table.tasks.index(task): share for task, share in shares.items()}
    return {task: (share, np.flatnonzero(early & (table.task == task))) for task, share in numbers.items()}


def _chances(table: PairTable, shares: Mapping[str, float]) -> np.ndarray:
    """How often each task is drawn. Raises ValueError for a task that is not there, or for what does not add up."""
    _check_tasks("shares", shares, table)
    counts = np.bincount(table.task, minlength=len(table.tasks)).astype(float)
    rest = np.array([0 if task in shares else count for task, count in zip(table.tasks, counts, strict=True)])
    left = 1 - sum(shares.values())
    if (rest.sum() > 0) != (left > 1e-6):
        raise ValueError(f"data.shares: {shares} leave {left:g} for the other tasks")
    given = np.array([shares.get(task, 0.0) for task in table.tasks])
    return given + (left * rest / rest.sum() if rest.any() else 0.0)


def _check_tasks(key: str, shares: Mapping[str, float], table: PairTable) -> None:
    """Raises ValueError if a key of the recipe's section `data` names a task that is not there."""
    unknown = ", ".join(sorted(set(shares) - set(table.tasks)))
    if unknown:
        raise ValueError(f"data.{key}: no task {unknown} is trained on; there are {', '.join(table.tasks)}")


def draw_noise(seeds: np.ndarray, shape: tuple[int, ...], timesteps: int, last_fraction: float) -> Noise:
    """Draws the noise of samples on the CPU, so that a sample is the same on every device and in every batch.

    Args:
        seeds: of each sample.
        shape: (C, h, w) of the latents.
        timesteps: number of timesteps of the noise schedule.
        last_fraction: share of the samples that are at the last timestep; the others are uniform over all.
    """
    columns = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(int(seed))
        timestep = torch.randint(timesteps, (), generator=generator)
        at_last = torch.rand((), generator=generator) < last_fraction
        dropout = torch.rand((), generator=generator)
        noise, posterior = torch.randn(2, *shape, generator=generator)
        columns.append((torch.where(at_last, timesteps - 1, timestep), noise, posterior, dropout))
    return Noise(*(torch.stack(column) for column in zip(*columns, strict=True)))
