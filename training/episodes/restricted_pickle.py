"""Read pickles of NumPy arrays and plain containers without running anything that is in them.

A pickle is a program: it names functions and calls them. RoboTwin 1.0's frames need a few names of NumPy and one of the
standard library, which this unpickler knows; any other name is refused before anything is called. Even those names do
not reach NumPy: `ndarray.__setstate__` and `dtype.__setstate__` trust their arguments, and a forged state (an object
dtype whose flags say "plain bytes") would make NumPy follow pointers from the file. Instead each array comes out as an
`ArrayRecord`, a description, and `ArrayRecord.to_array` builds an array of plain numbers from it, or refuses.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

Opcode = tuple[pickletools.OpcodeInfo, Any, int]  # with its argument and position

# A number type as NumPy's pickles spell it: boolean, integer, unsigned, float or complex, and bytes per item.
_NUMBER_TYPE = re.compile(r"[biufc]\d{1,2}|\?")
_BYTE_ORDERS = {"<", ">", "=", "|"}

_TUPLE_OPCODES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET"}
_PUT_OPCODES = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_GET_OPCODES = {"GET", "BINGET", "LONG_BINGET"}
# Whatever Python's pickler memoizes, it has just created with one of these.
_MEMOIZED_OPCODES = {
    *_TUPLE_OPCODES,
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("EMPTY_DICT", "EMPTY_LIST", "EMPTY_SET", "LIST", "DICT"),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "NEWOBJ_EX"),
}

# Opcodes of byte strings: how many bytes the length before the contents has.
_LENGTH_BYTES = {"SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8}
_LONG = 32  # bytes; so that what is kept of a layout is not larger than the file

# A RoboTwin frame of four cameras has some 700 opcodes, of which 100 make tuples.
_MAX_OPCODES = 1_000_000
_MAX_TUPLES = 10_000
_MAX_DIMENSIONS = 32
_LARGEST_SIDE = 2**31


class ForbiddenNameError(pickle.UnpicklingError):
    """The pickle asks for a name that frames do not need. `name` is that name, with its module."""

    def __init__(self, name: str):
        super().__init__(f"asks for {name!r}, which recorded frames do not need; refused, and nothing in it was run")
        self.name = name


class Loader:
    """Loads pickles one after the other. One that is laid out as the one before needs no second look at its layout."""

    def __init__(self) -> None:
        self._size = 0
        self._layout: list[tuple[slice, bytes]] = []

    def load(self, data: bytes) -> Any:
        """Loads one pickle of plain containers, numbers, strings and arrays; arrays come as `ArrayRecord`.

        Raises:
            ForbiddenNameError: the pickle asks for anything else.
            pickle.UnpicklingError: it is truncated, no pickle, or malformed.
        """
        try:
            if len(data) != self._size or any(data[part] != content for part, content in self._layout):
                self._size, self._layout = len(data), [(part, data[part]) for part in _layout(data)]
            return _Unpickler(data).load()
        except pickle.UnpicklingError:
            raise
        except Exception as error:  # malformed opcodes raise nearly anything: IndexError, KeyError, MemoryError, ...
            raise pickle.UnpicklingError("malformed pickle") from error


def _layout(data: bytes) -> list[slice]:
    """All of a pickle but the contents of long byte strings: what decides how it is read, and what is checked here.

    Raises UnpicklingError if it is truncated, or if loading it would take memory or time out of proportion to its size.
    """
    parts, start = [], 0
    try:
        for opcode, argument, position in _checked(pickletools.genops(data)):
            if opcode.name in _LENGTH_BYTES and len(argument) >= _LONG:
                contents = position + 1 + _LENGTH_BYTES[opcode.name]
                parts.append(slice(start, contents))
                start = contents + len(argument)
    except ValueError as error:
        raise pickle.UnpicklingError("truncated or malformed pickle") from error
    return [*parts, slice(start, len(data))]


def _checked(opcodes: Iterable[Opcode]) -> Iterator[Opcode]:
    """Passes opcodes on, as long as they are harmless. Raises UnpicklingError."""
    previous, tuples = "", 0
    memo: dict[int, bool] = {}  # whether a tuple, by index
    for count, each in enumerate(opcodes, start=1):
        name, argument = each[0].name, each[1]
        if name in _PUT_OPCODES:
            index = len(memo) if name == "MEMOIZE" else argument
            # The unpickler's memo is an array as long as its largest index, which may be 2^32.
            if previous not in _MEMOIZED_OPCODES or index > count:
                raise pickle.UnpicklingError("malformed pickle: it memorizes what Python's pickler would not")
            memo[index] = memo.get(index, False) or previous in _TUPLE_OPCODES
        tuples += name in _TUPLE_OPCODES
        # Tuples of shared tuples take exponential time to hash or compare, and deep ones overflow the C stack.
        if name == "DUP" or (name in _GET_OPCODES and memo.get(argument)) or tuples > _MAX_TUPLES:
            raise pickle.UnpicklingError("its tuples are shared, or far too many for a recorded frame")
        if count > _MAX_OPCODES:
            raise pickle.UnpicklingError(f"more than {_MAX_OPCODES:,} items, far too many for a recorded frame")
        previous = previous if name == "FRAME" else name
        yield each


class ArrayRecord:
    """A NumPy array as its pickle describes it; not an array until `to_array` has checked it."""

    __slots__ = ("_data", "_dtype", "_fortran", "_shape")

    def __init__(self, dtype: Any = None, shape: Any = None, fortran: bool = False, data: Any = None):
        self._dtype, self._shape, self._fortran, self._data = dtype, shape, fortran, data

    def __setstate__(self, state: tuple) -> None:
        """Takes the state that `ndarray.__reduce__` writes: (version, shape, dtype, is_fortran, data)."""
        _version, self._shape, self._dtype, self._fortran, self._data = state

    def to_array(self) -> np.ndarray:
        """The array: plain numbers in the machine's byte order, possibly a read-only view of the file's bytes.

        Raises pickle.UnpicklingError if the description is not one of an array of plain numbers.
        """
        if not isinstance(self._dtype, DtypeRecord):
            raise pickle.UnpicklingError("malformed array: it has no dtype")
        dtype = self._dtype.to_dtype()
        shape = self._shape
        sides_valid = isinstance(shape, tuple) and all(isinstance(side, int) and side >= 0 for side in shape)
        if not sides_valid or len(shape) > _MAX_DIMENSIONS:
            raise pickle.UnpicklingError("malformed array: its shape is not a tuple of sizes")
        if not isinstance(self._data, bytes | bytearray):
            raise pickle.UnpicklingError("malformed array: its data are not bytes")
        if len(self._data) != math.prod(shape) * dtype.itemsize or max(shape, default=0) > _LARGEST_SIDE:
            raise pickle.UnpicklingError(f"malformed array: {len(self._data)} bytes do not fit its shape")
        array = np.frombuffer(self._data, dtype).reshape(shape, order="F" if self._fortran else "C")
        return array.astype(dtype.newbyteorder("="), copy=False)


class DtypeRecord:
    """A NumPy dtype as its pickle describes it: a type code, then a state whose second item is the byte order."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: Any):
        self._code, self._order = code, "="

    def __setstate__(self, state: tuple) -> None:
        self._order = state[1]

    def to_dtype(self) -> np.dtype:
        """The dtype. Raises pickle.UnpicklingError unless it is a plain number type."""
        code, order = self._code, self._order
        is_text = isinstance(code, str) and isinstance(order, str)
        if not is_text or not _NUMBER_TYPE.fullmatch(code) or order not in _BYTE_ORDERS:
            raise pickle.UnpicklingError("its dtype is not a plain number type")
        try:
            return np.dtype(code).newbyteorder(order)
        except TypeError as error:
            raise pickle.UnpicklingError(f"unknown number type {code!r}") from error


class _Name:
    """A permitted name inside the unpickler: it can be called, and nothing else can be done to it.

    Without `__setstate__` the pickle's BUILD instruction could set attributes on the function behind the name.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Callable | None = None):
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        if self._call is None:
            raise pickle.UnpicklingError("malformed pickle: it calls a name that is not a function")
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("malformed pickle: it tries to change a name")


def _reconstruct(_subtype: Any, _shape: Any, _code: Any) -> ArrayRecord:
    return ArrayRecord()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, _axis: Any = None) -> ArrayRecord:
    return ArrayRecord(dtype, shape, order == "F", data)


def _scalar(dtype: Any, data: Any = b"") -> ArrayRecord:
    return ArrayRecord(dtype, (), False, data)


def _dtype(code: Any, _align: Any = False, _copy: Any = False) -> DtypeRecord:
    return DtypeRecord(code)


# NumPy 1 (RoboTwin runs on Python 3.8) says numpy.core, NumPy 2 says numpy._core.
_NAMES = {
    "numpy._core.multiarray._reconstruct": _Name(_reconstruct),
    "numpy._core.multiarray.scalar": _Name(_scalar),
    "numpy._core.numeric._frombuffer": _Name(_from_buffer),
    "numpy.ndarray": _Name(),
    "numpy.dtype": _Name(_dtype),
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes):
        super().__init__(io.BytesIO(data))
        self._unspelled = len(data)

    def find_class(self, module: str, name: str) -> _Name:
        key = f"{re.sub(r'^numpy[.]core[.]', 'numpy._core.', module)}.{name}"
        if key == "_codecs.encode":
            return _Name(self._encode)
        try:
            return _NAMES[key]
        except KeyError:
            raise ForbiddenNameError(f"{module}.{name}") from None

    def _encode(self, text: Any, encoding: Any) -> bytes:
        """Protocol 2 and older spell bytes as Latin-1 text. All together cannot be more than the file has."""
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError("malformed pickle: bytes in an unknown spelling")
        self._unspelled -= len(text)
        if self._unspelled < 0:
            raise pickle.UnpicklingError("malformed pickle: it spells the same bytes again and again")
        return text.encode("latin1")
