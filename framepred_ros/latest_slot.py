"""A slot for one item between threads: a newer item replaces the one that waits."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class LatestSlot(Generic[Item]):
    """Holds at most one item. The writer never waits; the reader always gets the newest item."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._closed = False

    def put(self, item: Item) -> bool:
        """Store an item for the reader. Return whether one that was still waiting had to give way."""
        with self._changed:
            replaced = self._item is not None
            self._item = item
            self._changed.notify()
            return replaced

    def take(self) -> Item | None:
        """Wait for an item and remove it. Return None once the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            return None if self._closed else item

    def clear(self) -> None:
        """Forget the waiting item, if there is one."""
        with self._changed:
            self._item = None

    def close(self) -> None:
        """Wake the reader for good: `take` returns None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
