"""What a part of the day with a GPU has measured so far, on disk after every figure."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from framepred_ros.files import write_text


class Journal:
    """Rows of a part's table, each with a name; written to a JSON file whenever one is added.

    Args:
        path: the file.
        seconds: how long the part may take from now on.

    Attributes:
        failures: one line for everything that went wrong.
    """

    def __init__(self, path: Path, seconds: float):
        self.failures: list[str] = []
        self._path, self._deadline = path, time.monotonic() + seconds
        self._environment: dict[str, Any] = {}
        self._rows: dict[str, dict[str, Any]] = {}

    @property
    def left(self) -> float:
        """Seconds until the part is ended."""
        return self._deadline - time.monotonic()

    def describe(self, environment: dict[str, Any]) -> None:
        """Says on what is measured."""
        self._environment = environment
        self._write()

    def put(self, name: str, value: float | None, unit: str = "", beside: str = "", **details: Any) -> None:
        """Adds a row, or replaces the one of this name.

        Args:
            value: what was measured, in `unit`.
            beside: what to hold it against, in words.
            details: whatever else is worth keeping, fit for JSON.
        """
        self._rows[name] = {"name": name, "value": value, "unit": unit, "beside": beside, "details": details}
        self._write()

    def fail(self, reason: str) -> None:
        """Notes that something is not as it should be; the part goes on, and has failed in the end."""
        self.failures.append(reason)
        self._write()

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """An error in the block is noted under this name and goes no further."""
        try:
            yield
        except Exception as error:  # whatever it is: the other measurements are worth having
            traceback.print_exc(file=sys.stderr)
            self.fail(f"{name}: {type(error).__name__}: {error}".splitlines()[0])

    def _write(self) -> None:
        content = {"environment": self._environment, "rows": list(self._rows.values()), "failures": self.failures}
        write_text(self._path, json.dumps(content, indent=1) + "\n")


def read_journal(path: Path) -> dict[str, Any]:
    """A journal's `environment`, `rows` and `failures`; empty ones if nothing was written."""
    if not path.is_file():
        return {"environment": {}, "rows": [], "failures": []}
    return json.loads(path.read_text(encoding="utf-8"))
