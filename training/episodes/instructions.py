"""Instructions in the formats' JSON files: lists of sentences, seen in training or kept for testing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.episodes.episode import EpisodeError

Phrasings = tuple[tuple[str, ...], tuple[str, ...]]  # seen, unseen


def sentences(value: Any, file: Path, name: str) -> tuple[str, ...]:
    """The sentences of a list, each once. Raises EpisodeError unless it is a list of sentences."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise EpisodeError(file, f"{name!r} is not a list of sentences")
    return tuple(dict.fromkeys(item.strip() for item in value))


def phrasings(lists: Mapping[str, Any], file: Path, seen_key: str = "seen") -> Phrasings:
    """The seen and unseen sentences of an object like {"seen": [...], "unseen": [...]}.

    Raises:
        EpisodeError: the lists hold something else, or there is no seen sentence.
    """
    seen, unseen = (sentences(lists.get(key, []), file, key) for key in (seen_key, "unseen"))
    if not seen:
        raise EpisodeError(file, f'no instructions; expected {{"{seen_key}": ["a sentence", ...]}}')
    return seen, unseen
