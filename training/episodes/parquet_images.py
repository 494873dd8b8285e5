"""Pictures in the rows of a parquet table, as Hugging Face's `datasets` stores them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from training.episodes.episode import EpisodeError, FrameSource
from training.episodes.files import reading
from training.episodes.pictures import decode_picture
from training.episodes.resampling import ascending_runs

_BATCH_ROWS = 64
_DAMAGED = "no parquet table of frames, or a damaged one"


@dataclass(frozen=True, eq=False)
class ParquetImages(FrameSource):
    """Pictures of one episode in a table of several.

    Attributes:
        file: the table, with the columns `episode_index`, `frame_index` and `column`.
        column: of the pictures: a struct with the encoded `bytes`.
        episode: the episode's number.
        positions: per frame its `frame_index`, ascending, int64 (N,).
    """

    file: Path
    column: str
    episode: int
    positions: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        for index, data in self._pictures(indices):
            with reading(self.file, f"frame {index} of episode {self.episode}"):
                frame = decode_picture(data)
            yield frame

    def checksum(self) -> str:
        digest = hashlib.sha256()
        for index, data in self._pictures(range(len(self))):
            digest.update(f"{self.positions[index]} {len(data)}:".encode())
            digest.update(data)
        return digest.hexdigest()

    def _pictures(self, indices: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yields (index, encoded picture), each ascending run of indices in one pass over the episode's rows."""
        for run in ascending_runs(indices):
            wanted = iter(run)
            index = next(wanted)
            for position, picture in self._rows():
                while index is not None and position == self.positions[index]:
                    yield index, self._bytes(index, picture)
                    index = next(wanted, None)
                if index is None:
                    break
            else:
                raise EpisodeError(self.file, f"no frame {self.positions[index]} of episode {self.episode}")

    def _rows(self) -> Iterator[tuple[Any, Any]]:
        """Yields (frame_index, picture) of the episode's rows; other episodes' pictures are not read."""
        with reading(self.file, _DAMAGED):
            file = pq.ParquetFile(self.file)
            for group in range(file.num_row_groups):
                episodes = file.read_row_group(group, columns=["episode_index"], use_threads=False).column(0)
                if self.episode not in episodes.unique().to_pylist():
                    continue
                columns = ["episode_index", "frame_index", self.column]
                batches = file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False)
                for row in (row for batch in batches for row in batch.to_pylist()):
                    if row["episode_index"] == self.episode:
                        yield row["frame_index"], row[self.column]

    def _bytes(self, index: int, picture: Any) -> bytes:
        data = picture.get("bytes") if isinstance(picture, dict) else None
        if not isinstance(data, bytes):
            raise EpisodeError(self.file, f"frame {index} of episode {self.episode}: its picture is not in the table")
        return data
