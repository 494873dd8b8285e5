"""The identity of a run: what it must have in common with a saved state to continue from it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from training.dataset.index import DatasetManifest
from training.dataset.pairs import EpisodeKey
from training.trainer.recipe import Recipe
from training.trainer.weights import digest_weights


def run_identity(
    recipe: Recipe,
    manifest: DatasetManifest,
    pairs: int,
    validation_episodes: Collection[EpisodeKey],
    weights: Path | None,
    processes: int,
) -> dict[str, Any]:
    """The identity of a run. Dataset and weights are identified by their content, wherever they lie.

    Args:
        manifest: of the dataset's tasks that are trained on.
        pairs: how many of their pairs are.
        weights: the folder that training starts from, or None.
    """
    return recipe.identity() | {
        "dataset": manifest.digest(),
        "horizon": manifest.horizon,
        "pairs": pairs,
        "validation_episodes": sorted(validation_episodes),
        "weights": None if weights is None else digest_weights(weights),
        "processes": processes,
    }
