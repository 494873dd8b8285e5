"""Scores on disk as they are made, so that an interrupted evaluation goes on where it stopped.

    FOLDER/{key}.{process}.jsonl      a line per row: {"row": [task, episode, frame, prompt], "values": {..}}

The key is a hash of everything that a score depends on: other options or a retrained checkpoint start a new file.
Each process appends to a file of its own and reads those of all.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from training.dataset.index import Row
from training.evaluation.scoring.scores import Values

RowKey = tuple[str, int, int, str]  # task, episode, frame, prompt


def row_key(row: Row) -> RowKey:
    """What tells a row from the others of its split."""
    return row.task, row.episode, row.frame, row.prompt


class Journal:
    """The scores of one predictor with one set of options.

    Args:
        folder: made if need be.
        options: JSON-like; everything that the scores depend on.
        process: number of this process among those of the run.
    """

    def __init__(self, folder: Path, options: Any, process: int = 0):
        text = json.dumps(options, sort_keys=True, default=str)
        self._folder, self._key = folder, hashlib.sha256(text.encode()).hexdigest()[:16]
        self._own = folder / f"{self._key}.{process}.jsonl"

    def read(self) -> dict[RowKey, Values]:
        """The scores so far, of all processes. A last line cut off by a crash is left out."""
        scores = {}
        for path in sorted(self._folder.glob(f"{self._key}.*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                scores[tuple(entry["row"])] = entry["values"]
        return scores

    def append(self, scores: list[tuple[Row, Values]]) -> None:
        """Adds the scores of a batch, on disk when this returns to the operating system."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"row": row_key(row), "values": values}) + "\n" for row, values in scores]
        with self._own.open("a+b") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":  # a crash cut the last line off
                    lines.insert(0, "\n")
            file.write("".join(lines).encode())


def file_stamps(folder: Path) -> list[tuple[str, int, int]]:
    """Name, size and modification time of every file in a folder: it changes when the folder's content does."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
