"""Cautious reading of HDF5 files with JPEG frames, for both of RoboTwin's HDF5 layouts.

An HDF5 file can refer to other files of the machine: external and soft links, datasets whose bytes lie elsewhere, and
virtual datasets. None of these occurs in RoboTwin's files, and none is followed. RoboTwin's writers hand RGB arrays to
`cv2.imencode`, which takes them for BGR; so the JPEG files inside have red and blue swapped, which is undone here.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from training.episodes.episode import EpisodeError, FrameSource
from training.episodes.files import reading, sha256
from training.episodes.pictures import PictureError, decode_picture

_MAX_JPEG_BYTES = 64 * 2**20
_MAX_CHUNK_BYTES = 256 * 2**20  # what HDF5 holds in memory to read one frame


@dataclass(frozen=True)
class Hdf5Frames(FrameSource):
    """The JPEG frames of one camera in an HDF5 file: `dataset` is the path of an array of byte strings."""

    file: Path
    dataset: str
    count: int

    def __len__(self) -> int:
        return self.count

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        with open_hdf5(self.file) as root:
            frames = jpeg_dataset(root, self.dataset, self.file)
            for index in indices:
                with reading(self.file, f"frame {index} is damaged"):
                    data = bytes(frames[index])
                try:
                    swapped = decode_picture(data)
                except PictureError as error:
                    raise EpisodeError(self.file, f"frame {index}: {error}") from error
                yield np.ascontiguousarray(swapped[:, :, ::-1])

    def checksum(self) -> str:
        return sha256([self.file])


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


def jpeg_dataset(root: h5py.File, name: str, path: Path) -> h5py.Dataset:
    """The array of JPEG byte strings of this name.

    Raises:
        EpisodeError: there is none, it is of another type, empty, or claims to be larger than the file.
    """
    dataset = find_object(root, name, path)
    if not isinstance(dataset, h5py.Dataset):
        raise EpisodeError(path, f"no frames {name!r}")
    with reading(path, f"{name} cannot be read"):
        dtype, shape, stored = dataset.dtype, dataset.shape, dataset.id.get_storage_size()
        chunk = math.prod(dataset.chunks or (1,)) * dtype.itemsize
    if dtype.kind != "S" or shape is None or len(shape) != 1:
        raise EpisodeError(path, f"{name} is {dtype} {shape}, expected JPEG byte strings (N,)")
    if shape[0] == 0:
        raise EpisodeError(path, f"{name} has no frames")
    plausible = dtype.itemsize <= _MAX_JPEG_BYTES and chunk <= _MAX_CHUNK_BYTES
    if not plausible or not shape[0] <= stored <= path.stat().st_size:
        raise EpisodeError(path, f"{name} claims more data than the file has")
    return dataset


def camera_frames(root: h5py.File, path: Path, dataset: str, camera: str) -> Hdf5Frames:
    """The frames of a camera; `dataset` is where a camera's frames lie, such as "observation/{}/rgb".

    Raises:
        EpisodeError: there is no such camera (the message says which there are), or its frames cannot be used.
    """
    group, leaf = dataset.split("/{}/")
    if camera not in group_names(root, group, path):
        present = ", ".join(group_names(root, group, path)) or "none"
        raise EpisodeError(path, f"no camera {camera!r}; it has {present}")
    if find_object(root, f"{group}/{camera}/{leaf}", path) is None:
        raise EpisodeError(path, f"camera {camera!r} has no pictures ({leaf})")
    name = dataset.format(camera)
    return Hdf5Frames(path, name, len(jpeg_dataset(root, name, path)))


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
    """What an array of strings of variable length will take in memory, as HDF5 believes these lengths.

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
