"""Recorded episodes: bags with a camera's images and, usually, the instruction that was in force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rosbags.interfaces import Connection

from framepred_ros.replay.bag_reader import COMPRESSED_IMAGE, IMAGE, STRING, decode_message, open_bag, read_messages
from framepred_ros.ros.image_messages import rgb_from_compressed_image, rgb_from_image

SHIPPED_EPISODES = Path(__file__).parents[1] / "episodes"
DECODERS = {IMAGE: rgb_from_image, COMPRESSED_IMAGE: rgb_from_compressed_image}


@dataclass(frozen=True)
class BagFrame:
    """A frame of a bag: when it was recorded and its header's stamp, nanoseconds; frame_id; RGB uint8 (h, w, 3)."""

    time: int
    stamp: int
    frame_id: str
    rgb: np.ndarray


@dataclass(frozen=True)
class BagInstruction:
    """An instruction of a bag: time in nanoseconds and the sentence."""

    time: int
    text: str


def episodes_by_task(folder: Path = SHIPPED_EPISODES) -> dict[str, Path]:
    """Return the bags in a folder, by default the episodes that ship with the package; each is named after its task."""
    return {path.parent.name: path.parent for path in sorted(folder.glob("*/metadata.yaml"))}


def shipped_episode(task: str) -> Path:
    """Return the bag of the episode that ships with the package.

    Raises:
        FileNotFoundError: none ships for this task.
    """
    episodes = episodes_by_task()
    if task not in episodes:
        available = ", ".join(episodes) or "none"
        raise FileNotFoundError(f"no episode of task '{task}' in {SHIPPED_EPISODES}; there are: {available}")
    return episodes[task]


class EpisodeBag:
    """The images of one camera topic of a bag, and the instructions on its `instruction` topic, in time order.

    Args:
        path: a ROS 2 bag folder, or its .mcap or .db3 file.
        image_topic: needed only where the bag has several image topics.

    Raises:
        FileNotFoundError: there is no such bag.
        BagError: it cannot be read.
        ValueError: it has no image topic, or several and none was chosen; the message names them.
    """

    def __init__(self, path: str | Path, image_topic: str = "") -> None:
        self.path = Path(path)
        with open_bag(self.path) as bag:
            cameras = {each.topic: each for each in bag.connections if each.msgtype in DECODERS}
            if image_topic:
                cameras = {topic: each for topic, each in cameras.items() if topic == image_topic}
            if len(cameras) != 1:
                topics = ", ".join(f"{each.topic} ({each.msgtype})" for each in bag.connections)
                raise ValueError(f"{self.path}: expected one image topic {image_topic}, the bag has: {topics}")
            self.image_topic = next(iter(cameras))
            self.frame_count = cameras[self.image_topic].msgcount

    def read(self) -> Iterator[BagFrame | BagInstruction]:
        """Yield the bag's frames and instructions in time order.

        Raises:
            BagError: the bag is damaged.
            ImageMessageError: a frame cannot be decoded.
        """
        with open_bag(self.path) as bag:
            wanted = [each for each in bag.connections if each.topic == self.image_topic or _is_instruction(each)]
            for connection, time, data in read_messages(bag, wanted):
                message = decode_message(self.path, connection.msgtype, data)
                if connection.topic == self.image_topic:
                    header, rgb = message.header, DECODERS[connection.msgtype](message)
                    yield BagFrame(time, header.stamp.sec * 10**9 + header.stamp.nanosec, header.frame_id, rgb)
                else:
                    yield BagInstruction(time, message.data)


def image_topics(path: str | Path) -> list[str]:
    """Return the names of a bag's image topics, raw and compressed, in order.

    Raises:
        FileNotFoundError, BagError: there is no such bag, or it cannot be read.
    """
    with open_bag(path) as bag:
        return sorted(each.topic for each in bag.connections if each.msgtype in DECODERS)


def _is_instruction(connection: Connection) -> bool:
    return connection.msgtype == STRING and connection.topic.rsplit("/", 1)[-1] == "instruction"
