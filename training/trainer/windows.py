"""From a pair of the dataset to what a sample is about: which frame is now, which is the future, which are the past.

A dataset stores every frame once, so any two frames of an episode make a pair of any horizon; nothing is written anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.trainer.conditions import Conditions
from training.trainer.pair_table import NO_FRAME, PairTable

HORIZON_POWER = 1.5  # of a uniform number: the density of the horizons falls with their cube root


@dataclass(frozen=True)
class Window:
    """Frames by their index in `PairTable.frames`; the horizon in steps; `NO_FRAME` where there is no such past."""

    current: int
    future: int
    horizon: int
    past: tuple[int, ...]


class Windows:
    """Draws windows around the pairs of a table, as a recipe's conditions say."""

    def __init__(self, table: PairTable, conditions: Conditions):
        self.table, self.conditions = table, conditions

    def draw(self, random: np.random.Generator, pair: int, as_it_is: bool = False) -> Window:
        """The window of a sample that has drawn this pair; without conditions, or `as_it_is`, the pair itself."""
        stored, start = self.table.stored[self.table.episode[pair]], int(self.table.position[pair])
        current, future, horizon = start, self.table.future[pair], self.table.horizon
        if self.conditions.horizons is not None and not as_it_is and random.random() >= self.conditions.horizon_share:
            wanted = self._horizon(random)
            placed, after, reach = self._place(random, start, wanted, len(stored) - 1)
            if stored[placed] != NO_FRAME and stored[after] != NO_FRAME:
                current, future, horizon = placed, stored[after], reach
        return Window(int(stored[current]), int(future), horizon, self._past(random, stored, current))

    def _horizon(self, random: np.random.Generator) -> int:
        shortest, longest = self.conditions.horizons
        return min(shortest + int((longest - shortest + 1) * random.random() ** HORIZON_POWER), longest)

    def _place(self, random: np.random.Generator, start: int, horizon: int, last: int) -> tuple[int, int, int]:
        """Where a horizon begins and ends, and how long it is.

        It lies within the pair's own span, or around it, so that all of an episode occurs. In a dataset that is clamped
        it may go past the episode's last frame, which then stands for what follows; otherwise it is shortened.
        """
        if not self.table.clamped:
            horizon = min(horizon, last)
        slack = self.table.horizon - horizon
        shift = int(random.integers(min(slack, 0), max(slack, 0) + 1))
        placed = min(max(start + shift, 0), last if self.table.clamped else last - horizon)
        return placed, min(placed + horizon, last), horizon

    def _past(self, random: np.random.Generator, stored: np.ndarray, current: int) -> tuple[int, ...]:
        history, dropout = self.conditions.history, self.conditions.history_dropout
        if not history:
            return ()
        number = random.random()
        kept = 0 if number < dropout else 1 if number < 1.25 * dropout else len(history)
        return tuple(
            int(stored[current - steps]) if place < kept and steps <= current else NO_FRAME
            for place, steps in enumerate(history)
        )
