"""Cautious reading of ROS 2 bags: topics, images and instructions.

The bag's own type definitions are not used: `rosbags` turns such definitions into Python code and runs it, and the few
types that are read here have been the same in all ROS 2 releases.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from training.episodes.episode import EpisodeError
from training.episodes.files import reading
from training.episodes.pictures import decode_picture
from training.episodes.resampling import NANOSECONDS

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
STRING = "std_msgs/msg/String"

_DAMAGED = "no ROS 2 bag (mcap or sqlite3), or a damaged one"


@contextmanager
def open_bag(path: Path) -> Iterator[Reader]:
    """The open bag: a folder with metadata.yaml, an .mcap or a .db3 file. Raises EpisodeError."""
    with reading(path, _DAMAGED):
        bag = Reader(path)
        bag.open()
    try:
        yield bag
    finally:
        bag.close()


def choose_topic(bag: Reader, path: Path, types: tuple[str, ...], wanted: str | None, option: str) -> str:
    """The topic that the user wants, or else the only one of these types.

    Raises:
        EpisodeError: there is none, or several; the message lists the bag's topics with their types.
    """
    topics = {each.topic for each in bag.connections if each.msgtype in types and wanted in (None, each.topic)}
    if len(topics) == 1:
        return topics.pop()
    present = ", ".join(sorted({f"{each.topic} ({each.msgtype})" for each in bag.connections})) or "no topics"
    kinds = " or ".join(types)
    if topics:
        raise EpisodeError(path, f"several topics of {kinds}; choose one with {option}; it has {present}")
    raise EpisodeError(path, f"no topic {f'{wanted!r} ' if wanted else ''}of {kinds}; it has {present}")


def topic_messages(
    bag: Reader, path: Path, topic: str, start: int | None = None, stop: int | None = None
) -> Iterator[tuple[int, str, bytes]]:
    """Yields (bag time in nanoseconds, type, serialized message) of a topic in time order, from start to before stop.

    Raises:
        EpisodeError: the bag is damaged, or its times go back.
    """
    connections = [each for each in bag.connections if each.topic == topic]
    previous = None
    with reading(path, _DAMAGED):
        for connection, time, raw in bag.messages(connections, start, stop) if connections else ():
            if previous is not None and time < previous:
                raise EpisodeError(path, f"the times of {topic} go back by {(previous - time) / NANOSECONDS:.3f} s")
            previous = time
            yield time, connection.msgtype, raw


def decode_message(path: Path, kind: str, raw: bytes) -> Any:
    """The message, of one of the types above. Raises EpisodeError."""
    with reading(path, f"a damaged {kind}"):
        return _types().deserialize_cdr(raw, kind)


def decode_image(path: Path, kind: str, raw: bytes) -> np.ndarray:
    """The picture in a message as RGB uint8 (H, W, 3). Raises EpisodeError."""
    message = decode_message(path, kind, raw)
    with reading(path, f"unusable {kind}"):
        if kind == COMPRESSED_IMAGE:
            return decode_picture(message.data.tobytes())
        from framepred_ros.image_messages import rgb_from_image

        return rgb_from_image(message)


@cache
def _types() -> Any:
    return get_typestore(Stores.ROS2_HUMBLE)
