"""Cautious reading of HDF5 files.

An HDF5 file can refer to other files of the machine: external and soft links, datasets whose bytes lie elsewhere, and
virtual datasets. None of these occurs in RoboTwin's files, and none is followed. It can also claim sizes that would
take all memory, which are compared with the file's own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from training.episodes.episode import EpisodeError
from training.episodes.files import reading


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """The open file. Raises EpisodeError if it is no HDF5 file, or a truncated one."""
    with reading(path, "no HDF5 file, or a damaged one"):
        file = h5py.File(path, "r")
    with file:
        yield file


def find_object(root: h5py.Group, name: str, path: Path) -> h5py.Group | h5py.Dataset | None:
    """The group or dataset of this name ("a/b/c"), None if there is none.

    Raises:
        EpisodeError: it is a link to somewhere else, or the file is damaged.
    """
    found = root
    with reading(path, f"{name} cannot be read"):
        for part in name.split("/"):
            link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise EpisodeError(path, f"{name} is a link to somewhere else, which is not followed")
            found = found[part]
        if isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
            raise EpisodeError(path, f"the data of {name} lie in another file, which is not opened")
    return found


def group_names(root: h5py.File, name: str, path: Path) -> list[str]:
    """Names in a group, sorted; none if there is no such group. Raises EpisodeError."""
    group = find_object(root, name, path)
    with reading(path, f"{name} cannot be read"):
        return sorted(group) if isinstance(group, h5py.Group) else []


def read_strings(root: h5py.File, name: str, path: Path) -> list[str]:
    """The strings of an array, or the one of a scalar; none if there is no such dataset.

    Raises:
        EpisodeError: it holds something else, or claims to be larger than the file.
    """
    dataset = find_object(root, name, path)
    if dataset is None:
        return []
    with reading(path, f"{name} cannot be read"):
        if not isinstance(dataset, h5py.Dataset) or h5py.check_string_dtype(dataset.dtype) is None:
            raise EpisodeError(path, f"{name} is not made of strings")
        if max(dataset.size or 0, _claimed_bytes(dataset, path)) > path.stat().st_size:
            raise EpisodeError(path, f"{name} claims more data than the file has")
        return np.ravel(dataset.asstr()[()]).tolist()


def _claimed_bytes(dataset: h5py.Dataset, path: Path) -> int:
    """How much memory an array of strings of variable length will take if HDF5 trusts their claimed lengths.

    Each string is stored as its length (4 bytes), and 12 bytes that say where it is; h5py stores such references in one
    piece. Those in chunks are not counted.
    """
    offset = dataset.id.get_offset()
    if offset is None or h5py.check_string_dtype(dataset.dtype).length is not None:
        return 0
    with path.open("rb") as file:
        file.seek(offset)
        references = file.read(16 * min(dataset.size, path.stat().st_size))
    return sum(length for length, _, _ in struct.iter_unpack("<IQI", references[: len(references) // 16 * 16]))
