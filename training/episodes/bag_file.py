"""Topics, messages and pictures of ROS 2 bags by `framepred_ros.replay.bag_reader`; its errors as EpisodeError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import Reader

from framepred_ros.replay import bag_reader
from framepred_ros.replay.bag_reader import COMPRESSED_IMAGE, BagError, read_messages
from framepred_ros.ros.image_messages import rgb_from_compressed_image, rgb_from_image
from training.episodes.episode import EpisodeError
from training.episodes.files import reading
from training.episodes.pictures import decode_whole
from training.episodes.resampling import NANOSECONDS


@contextmanager
def open_bag(path: Path) -> Iterator[Reader]:
    """The open bag: a folder with metadata.yaml, an .mcap or a .db3 file. Raises EpisodeError, in its block too."""
    with _episode_errors(path), bag_reader.open_bag(path) as bag:
        yield bag


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
        EpisodeError: the bag's times go back.
        BagError: it is damaged; `open_bag` makes an EpisodeError of it.
    """
    connections = [each for each in bag.connections if each.topic == topic]
    previous = None
    for connection, time, raw in read_messages(bag, connections, start, stop):
        if previous is not None and time < previous:
            raise EpisodeError(path, f"the times of {topic} go back by {(previous - time) / NANOSECONDS:.3f} s")
        previous = time
        yield time, connection.msgtype, raw


def decode_message(path: Path, kind: str, raw: bytes) -> Any:
    """The message, of one of the types of `framepred_ros.replay.bag_reader`. Raises EpisodeError."""
    with _episode_errors(path):
        return bag_reader.decode_message(path, kind, raw)


def decode_image(path: Path, kind: str, raw: bytes) -> np.ndarray:
    """The picture in a message as RGB uint8 (H, W, 3). Raises EpisodeError."""
    message = decode_message(path, kind, raw)
    with reading(path, f"unusable {kind}"):
        return rgb_from_compressed_image(message, decode_whole) if kind == COMPRESSED_IMAGE else rgb_from_image(message)


@contextmanager
def _episode_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except BagError as error:
        raise EpisodeError(path, error.reason) from error
    except FileNotFoundError as error:
        raise EpisodeError(path, "no such file or folder") from error
