"""What was computed for the most recent keys, kept to be used again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")

CACHED_INSTRUCTIONS = 64  # whose embeddings a sampler keeps


class Recent(Generic[Value]):
    """Keeps the values of the `size` keys that were last asked for."""

    def __init__(self, size: int):
        self._size = size
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The key's value; what `make` returns where it is not kept."""
        if key not in self._values:
            self._values[key] = make()
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)
        return self._values[key]
