"""Reading files that may be damaged: every failure becomes an EpisodeError with the file's name."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.episodes.episode import EpisodeError

# Far more than any file of instructions or metadata needs; a larger file is not what its name says.
_MAX_JSON_BYTES = 64 * 2**20
_MAX_LINE = 2**24  # characters
_CHUNK_BYTES = 2**20


@contextmanager
def reading(path: Path, what: str = "") -> Iterator[None]:
    """Turns whatever a library raises on a damaged file into an EpisodeError: "path: what: the library's reason".

    Libraries answer damaged files with nearly any exception (struct.error, KeyError, MemoryError, ...).
    """
    try:
        yield
    except EpisodeError:
        raise
    except Exception as error:
        cause = str(error) or type(error).__name__
        raise EpisodeError(path, f"{what}: {cause}" if what else cause) from error


def absolute(path: Path) -> Path:
    """The absolute path, without following links: Hugging Face's cache consists of links to files without names."""
    return Path(os.path.abspath(path))


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises EpisodeError if there is none."""
    with reading(path, "unreadable JSON"):
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise EpisodeError(path, f"larger than {_MAX_JSON_BYTES >> 20} MiB, so not the JSON file it should be")
        content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise EpisodeError(path, "expected a JSON object")
    return content


def json_lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line number, object) of a file of JSON lines. Raises EpisodeError."""
    with reading(file, "unreadable JSON lines"), file.open(encoding="utf-8") as lines:
        number = 0
        while line := lines.readline(_MAX_LINE):
            number += 1
            if not line.strip():
                continue
            row = json.loads(line)
            if not isinstance(row, dict):
                raise EpisodeError(file, f"line {number} is no JSON object")
            yield number, row


def sha256(paths: Iterable[Path]) -> str:
    """SHA-256 (hexadecimal) over the sizes and contents of files, in the given order. Raises EpisodeError."""
    digest = hashlib.sha256()
    for path in paths:
        with reading(path), path.open("rb") as file:
            digest.update(f"{path.stat().st_size}:".encode())
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def numbered(folder: Path, pattern: re.Pattern) -> dict[int, Path]:
    """Entries of a folder whose names match, ascending by the number in the pattern's first group.

    (Names without leading zeros do not sort as text.)
    """
    with reading(folder):
        matches = ((pattern.fullmatch(entry.name), entry) for entry in folder.iterdir())
        return dict(sorted((int(match[1]), entry) for match, entry in matches if match))


def require_contiguous(numbers: Iterable[int], folder: Path, name: str) -> int:
    """The count of the numbers, which must be 0, 1, 2, ...; `name` is a file's name with {} for the number.

    Raises:
        EpisodeError: there is none, or one is missing.
    """
    present = set(numbers)
    if not present:
        raise EpisodeError(folder, f"empty episode, no frames like {name.format(0)}")
    missing = next((number for number in range(len(present)) if number not in present), None)
    if missing is not None:
        last = name.format(max(present))
        raise EpisodeError(folder, f"gap in the frame numbers: {name.format(missing)} is missing, {last} is there")
    return len(present)
