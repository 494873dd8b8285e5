"""A ready pair as an episode of which only the first and the last frame are there."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from training.episodes.episode import EpisodeError, FrameSource
from training.episodes.files import reading
from training.episodes.pictures import decode_picture

INPUT, EDITED = "input_image", "edited_image"
_MAX_FILE_BYTES = 256 * 2**20
_TABLES_OPEN = 4


class PairFrames(FrameSource):
    """Two pictures as the frames 0 and `horizon` of an episode of `horizon` + 1 frames, so that they make one pair.

    Attributes:
        file: what the pair is read from, for messages.
        horizon: steps between the two.
    """

    file: Path
    horizon: int

    def __len__(self) -> int:
        return self.horizon + 1

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        for index in indices:
            if index not in (0, self.horizon):
                raise EpisodeError(
                    self.file, f"a ready pair has no frame {index}, only 0 and {self.horizon}; leave --tail at drop"
                )
            data = self._bytes(index != 0)
            with reading(self.file, "its edited picture" if index else "its input picture"):
                frame = decode_picture(data)
            yield frame

    def checksum(self) -> str:
        digest = hashlib.sha256()
        for edited in (False, True):
            data = self._bytes(edited)
            digest.update(f"{len(data)}:".encode() + data)
        return digest.hexdigest()

    @abstractmethod
    def _bytes(self, edited: bool) -> bytes:
        """The JPEG or PNG file of the input picture, or of the edited one. Raises EpisodeError."""


@dataclass(frozen=True)
class FilePair(PairFrames):
    """A pair in two files."""

    file: Path
    edited: Path
    horizon: int

    def _bytes(self, edited: bool) -> bytes:
        file = self.edited if edited else self.file
        with reading(file):
            if file.stat().st_size > _MAX_FILE_BYTES:
                raise EpisodeError(file, f"larger than {_MAX_FILE_BYTES >> 20} MiB, so not a picture")
            return file.read_bytes()


@dataclass(frozen=True)
class TablePair(PairFrames):
    """A pair in a row of a table: parquet, or Arrow as `save_to_disk` of `datasets` writes it.

    Attributes:
        file: the table.
        group: of rows; parquet files are read by such groups.
        row: within the group.
        horizon: steps between the two pictures.
    """

    file: Path
    group: int
    row: int
    horizon: int

    def _bytes(self, edited: bool) -> bytes:
        name = EDITED if edited else INPUT
        with reading(self.file):
            status = self.file.stat()
        table = _pictures(self.file, self.group, (status.st_size, status.st_mtime_ns))
        with reading(self.file, f"row {self.row} of group {self.group}"):
            picture = table.column(name)[self.row].as_py()
        data = picture.get("bytes") if isinstance(picture, dict) else picture
        if not isinstance(data, bytes):
            raise EpisodeError(self.file, f"row {self.row} of group {self.group}: {name} is not in the table")
        return data


def open_arrow(file: Path) -> pa.Table:
    """The table in an Arrow file, mapped into memory and checked. Raises EpisodeError."""
    with reading(file, "no Arrow table, or a damaged one"):
        table = pa.ipc.open_stream(pa.memory_map(str(file))).read_all()
        table.validate(full=True)
    return table


@lru_cache(_TABLES_OPEN)
def _pictures(file: Path, group: int, version: tuple[int, int]) -> pa.Table:
    """The pictures of a group of rows; `version` keeps a file that has changed from being taken for the former one."""
    if file.suffix == ".arrow":
        return open_arrow(file).select([INPUT, EDITED])
    with reading(file, "no parquet table, or a damaged one"):
        return pq.ParquetFile(file).read_row_group(group, columns=[INPUT, EDITED], use_threads=False)
