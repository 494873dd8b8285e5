"""Instructions in the formats' JSON files: lists of sentences, seen in training or kept for testing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.episodes.episode import EpisodeError
from training.episodes.files import absolute, read_json

Phrasings = tuple[tuple[str, ...], tuple[str, ...]]  # seen, unseen


def sentences(value: Any, file: Path, name: str) -> tuple[str, ...]:
    """The sentences of a list, each once. Raises EpisodeError unless it is a list of sentences."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise EpisodeError(file, f"{name!r} is not a list of sentences")
    return tuple(dict.fromkeys(item.strip() for item in value))


def missing_instructions(path: Path, where: str) -> EpisodeError:
    """The error of a source without instructions; `where` says what was looked for."""
    return EpisodeError(path, f"no instructions: {where}; add them, or give one with --instruction")


def phrasings_in_file(file: Path, seen_key: str = "seen") -> Phrasings:
    """Those of a JSON file. Raises EpisodeError if it is missing, damaged, or has none."""
    if not file.exists():
        raise missing_instructions(file, "there is no such file")
    return phrasings(read_json(file), file, seen_key)


def phrasings_of_folder(folder: Path, task: str) -> Phrasings:
    """Those of `instructions.json` in a task's folder, or of RoboTwin 1.0's `instructions/{task}.json` beside it.

    Raises:
        EpisodeError: there is neither, or it is malformed.
    """
    own, common = folder / "instructions.json", absolute(folder).parent / "instructions" / f"{task}.json"
    if own.exists():
        return phrasings(read_json(own), own)
    if common.exists():
        return phrasings(read_json(common), common, "instructions")
    raise missing_instructions(folder, f"neither {own.name} in it nor {common}")


def phrasings(lists: Mapping[str, Any], file: Path, seen_key: str = "seen") -> Phrasings:
    """The seen and unseen sentences of an object like {"seen": [...], "unseen": [...]}.

    Raises:
        EpisodeError: the lists hold something else, or there is no seen sentence.
    """
    seen, unseen = (sentences(lists.get(key, []), file, key) for key in (seen_key, "unseen"))
    if not seen:
        raise missing_instructions(file, f'expected {{"{seen_key}": ["a sentence", ...]}}')
    return seen, unseen
