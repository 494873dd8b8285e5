"""JPEG frames in HDF5 files, as both of RoboTwin's HDF5 layouts have them.

RoboTwin's writers handed RGB arrays to `cv2.imencode`, which takes them for BGR; so the JPEG files inside have red and
blue swapped, which is undone here. Since September 2026 (RoboTwin pull request 500, by way of XPolicyLab's
`encode_image_bit`) they write standard RGB and say so in each JPEG file, by a comment (COM segment) `XPL-RGB1`. One
file may have both kinds. What bears no mark is swapped, unless the user says that it is not: data of other writers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from training.episodes.episode import EpisodeError, FrameSource
from training.episodes.files import reading, sha256
from training.episodes.hdf5 import find_object, group_names, open_hdf5
from training.episodes.pictures import decode_with_comment

_STANDARD_MARK = b"XPL-RGB1"
_MAX_JPEG_BYTES = 64 * 2**20
_MAX_CHUNK_BYTES = 256 * 2**20  # what HDF5 holds in memory to read one frame


@dataclass(frozen=True)
class Hdf5Frames(FrameSource):
    """The JPEG frames of one camera in an HDF5 file.

    Attributes:
        file: the file.
        dataset: path in it of an array of byte strings.
        count: of the frames.
        channel_order: "bgr" if red and blue are swapped in frames without a mark, "rgb" if they are not.
    """

    file: Path
    dataset: str
    count: int
    channel_order: str = "bgr"

    def __len__(self) -> int:
        return self.count

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        with open_hdf5(self.file) as root:
            frames = _jpeg_array(root, self.dataset, self.file)
            for index in indices:
                with reading(self.file, f"frame {index}"):
                    picture, comment = decode_with_comment(bytes(frames[index]))
                standard = comment == _STANDARD_MARK or self.channel_order == "rgb"
                yield picture if standard else np.ascontiguousarray(picture[:, :, ::-1])

    def checksum(self) -> str:
        return sha256([self.file])


def camera_frames(root: h5py.File, path: Path, dataset: str, camera: str, channel_order: str) -> Hdf5Frames:
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
    return Hdf5Frames(path, name, len(_jpeg_array(root, name, path)), channel_order)


def _jpeg_array(root: h5py.File, name: str, path: Path) -> h5py.Dataset:
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
