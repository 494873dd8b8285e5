"""The interface of everything that evaluation measures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from training.dataset.index import Row
from training.dataset.stored_pairs import read_frame, read_past


@dataclass(frozen=True)
class Pair:
    """A row of the dataset with its frames, each uint8 RGB (H, W, 3); `past` by how many steps they lie back."""

    row: Row
    current: np.ndarray
    truth: np.ndarray
    past: Mapping[int, np.ndarray] = field(default_factory=dict)


def read_pair(row: Row, size: tuple[int, int] | None, history: Iterable[int] = ()) -> Pair:
    """A row with its frames, and those `history` steps back, resized to `size` (width, height) unless None."""
    frames = (read_frame(path, size) for path in (row.input_image, row.edited_image))
    return Pair(row, *frames, read_past(row, history, size))


@dataclass(frozen=True)
class Prediction:
    """A predicted frame, uint8 RGB (H, W, 3), and numbers of the predictor's own to be averaged, by name."""

    picture: np.ndarray
    values: dict[str, float] = field(default_factory=dict)


class Predictor(ABC):
    """Predicts the future frame of pairs.

    Attributes:
        horizon: how many steps ahead it predicts, or None where any dataset's horizon will do.
        horizons: the shortest and the longest that it can be asked for. Where it knows `horizon` alone, both are that,
            or this is None.
        history: how many steps back the frames lie that it wants in `Pair.past`.
        step_duration: seconds of a step, or None when unknown or any will do.
        sees_truth: whether it looks at the truth, which makes it a bound and no predictor.
        takes_words: whether it can be asked with any instruction; an empty text means without one.
    """

    horizon: int | None = None
    horizons: tuple[int, int] | None = None
    history: tuple[int, ...] = ()
    step_duration: float | None = None
    sees_truth: bool = False
    takes_words: bool = True

    def prepare(self, rows: Sequence[Row], size: tuple[int, int] | None) -> None:  # noqa: B027  (most need nothing)
        """Called once before the first prediction with all rows to come and the (width, height) that frames get.

        `size` is None for the dataset's own. Checks of all rows belong here, so that bad input shows at once.
        """

    @abstractmethod
    def predict(self, pairs: Sequence[Pair]) -> list[Prediction]:
        """One prediction per pair. Only a reference that says so looks at `Pair.truth`."""
