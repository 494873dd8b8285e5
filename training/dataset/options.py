"""The choices that decide what a dataset consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TAILS = ("drop", "clamp")
SPLITS_BY = ("episode", "pair")
EMBEDDED_FORMS = ("parquet", "arrow")  # of rows with their pictures in them; see training.dataset.embedding

# The paper's two scales (section 3.2), which it splits by pair. See docs/data.md for the way from episodes to pairs.
PRESETS: dict[str, dict[str, Any]] = {
    "paper-large": {"split_by": "pair", "max_pairs": 93_103},
    "paper-small": {"split_by": "pair", "max_pairs": 22_695},
}


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """How episodes become pairs.

    Attributes:
        horizon: steps between the two frames of a pair.
        stride: steps from one pair to the next.
        tail: "drop" leaves the last `horizon` frames without a future; "clamp" gives them the episode's last frame.
        max_pairs: draw at most this many pairs of all; None is all.
        split_by: what is assigned to train or test: whole episodes ("episode"), or each pair ("pair", which leaks).
        test_fraction: of each task's episodes, or of all pairs.
        balance_tasks: draw equally many training pairs of every task.
        max_train_samples: draw at most this many training pairs; None is all.
        instructions_per_pair: different phrasings that a pair gets, each in a row of its own.
        seed: of all draws.
        jpeg_quality: of the stored frames, 1 to 100.

    Raises:
        ValueError: a value without meaning.
    """

    horizon: int = 50
    stride: int = 1
    tail: str = "drop"
    max_pairs: int | None = None
    split_by: str = "episode"
    test_fraction: float = 0.1
    balance_tasks: bool = False
    max_train_samples: int | None = None
    instructions_per_pair: int = 1
    seed: int = 42
    jpeg_quality: int = 95

    def __post_init__(self) -> None:
        if self.horizon < 1 or self.stride < 1:
            raise ValueError("horizon and stride must be at least 1 step")
        if self.tail not in TAILS or self.split_by not in SPLITS_BY:
            raise ValueError(f"the tail must be one of {TAILS}, what is split one of {SPLITS_BY}")
        if not 0 <= self.test_fraction <= 1:
            raise ValueError("the test fraction must lie between 0 and 1")
        for count in (self.max_pairs, self.max_train_samples, self.instructions_per_pair):
            if count is not None and count < 1:
                raise ValueError("the numbers of pairs, samples and instructions must be at least 1")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError("the JPEG quality must lie between 1 and 100")
