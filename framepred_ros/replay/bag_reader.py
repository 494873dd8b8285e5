"""Cautious reading of ROS 2 bags, which may be damaged or hostile. Needs `rosbags`, but no ROS.

The bag's own type definitions are not used: `rosbags` turns such definitions into Python code and runs it, and the few
types that are read here have been the same in all ROS 2 releases. What is compressed is expanded up to a limit only.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import lz4.frame
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, reader, storage_mcap
from rosbags.typesys import Stores, get_typestore

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
STRING = "std_msgs/msg/String"

# A raw 8K picture has 100 MB, and a chunk ends with the message that fills it.
MAX_EXPANDED_BYTES = 256 * 2**20
MAX_FILE_RATIO = 100  # of a whole file compressed in one; pictures reach about 50 if they are raw and mostly plain
_PIECE_BYTES = 2**20


class BagError(ValueError):
    """A bag that cannot be read: its path and the reason, one line."""

    def __init__(self, path: str | Path, reason: object):
        self.path = Path(path)
        self.reason = " ".join(str(reason).split())
        super().__init__(self.path, self.reason)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@contextmanager
def open_bag(path: str | Path) -> Iterator[Reader]:
    """The open bag: a folder with metadata.yaml, an .mcap or a .db3 file.

    Raises:
        FileNotFoundError: nothing is there.
        BagError: it is no such bag, or a damaged one.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no bag at {path}")
    with _reading(path):
        bag = _GuardedReader(path)
        bag.open()
    try:
        yield bag
    finally:
        bag.close()


def read_messages(
    bag: Reader, connections: Collection[Connection], start: int | None = None, stop: int | None = None
) -> Iterator[tuple[Connection, int, bytes]]:
    """Yields (connection, bag time in nanoseconds, serialized message) in time order.

    Args:
        bag: from `open_bag`.
        connections: of the bag; if there are none, nothing is yielded.
        start, stop: bag times, from start to before stop; None is all.

    Raises:
        BagError: the bag is damaged.
    """
    with _reading(bag.path):
        yield from bag.messages(connections, start, stop) if connections else ()


def decode_message(path: str | Path, kind: str, raw: bytes) -> Any:
    """The message of a bag, of one of the types above. Raises BagError."""
    with _reading(path, f"a damaged {kind}"):
        return _types().deserialize_cdr(raw, kind)


@contextmanager
def _reading(path: str | Path, what: str = "cannot be read as a bag, or is damaged") -> Iterator[None]:
    """Libraries answer damaged files with nearly any exception (struct.error, KeyError, MemoryError, ...)."""
    try:
        yield
    except Exception as error:
        raise BagError(path, f"{what}: {error or type(error).__name__}") from error


@cache
def _types() -> Any:
    return get_typestore(Stores.ROS2_HUMBLE)


def _expand(compressed: BinaryIO, limit: int) -> bytes:
    """All of a decompressing file. Raises ValueError, with little more than the limit in memory, if it has more."""
    expanded = compressed.read(limit + 1)
    if len(expanded) > limit:
        raise ValueError(f"compressed data that expand to more than {limit:,} bytes")
    return expanded


def _expand_chunk(compressed: BinaryIO, claimed: int) -> bytes:
    """The contents of an mcap chunk, whose size the file claims."""
    if claimed > MAX_EXPANDED_BYTES:
        raise ValueError(f"a chunk of {claimed:,} bytes when expanded, more than {MAX_EXPANDED_BYTES:,}")
    return _expand(compressed, claimed)


# rosbags' own table; its functions expand all of the data and compare sizes only afterwards.
storage_mcap.DECOMPRESSORS.update(
    lz4=lambda data, size: _expand_chunk(lz4.frame.open(io.BytesIO(data)), size),
    zstd=lambda data, size: _expand_chunk(zstd.open(io.BytesIO(data)), size),
)


class _GuardedFolderReader(reader.DirectoryReader):
    """Bag folders whose files, or whose messages, may be compressed one by one."""

    def open(self) -> None:
        for file in filter(_is_compressed, self.path.iterdir()):
            _check_expansion(file)
        super().open()
        self._compressed_messages = self.metadata.compression_mode == "message"
        self.metadata = self.metadata._replace(compression_mode=None)  # leaves the messages as they are

    def messages(
        self, connections: Collection[Connection], start: int | None = None, stop: int | None = None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        for connection, time, data in super().messages(connections, start, stop):
            expanded = _expand(zstd.open(io.BytesIO(data)), MAX_EXPANDED_BYTES) if self._compressed_messages else data
            yield connection, time, expanded


class _GuardedReader(Reader):
    STORAGE_PLUGINS = {**Reader.STORAGE_PLUGINS, "dir": _GuardedFolderReader}


def _is_compressed(path: Path) -> bool:
    """Whether zstd would expand it: it begins with a frame of data, or with one to be skipped (RFC 8878)."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4)
    return start == b"\x28\xb5\x2f\xfd" or start[1:] == b"\x2a\x4d\x18"


def _check_expansion(path: Path) -> None:
    """Raises ValueError for a compressed file that rosbags must not expand to the disk."""
    limit, size = max(MAX_EXPANDED_BYTES, MAX_FILE_RATIO * path.stat().st_size), 0
    with zstd.open(path) as file:
        while piece := file.read(_PIECE_BYTES):
            size += len(piece)
            if size > limit:
                raise ValueError(f"{path.name} expands to more than {limit:,} bytes")
