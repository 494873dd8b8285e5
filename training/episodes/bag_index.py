"""What a bag holds, in one pass over each topic: when its images were taken, and its instructions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import Reader

from framepred_ros.replay.bag_reader import COMPRESSED_IMAGE, IMAGE, STRING
from training.episodes.bag_file import choose_topic, decode_message, open_bag, topic_messages
from training.episodes.episode import EpisodeError
from training.episodes.files import reading
from training.episodes.resampling import NANOSECONDS


@dataclass(frozen=True, eq=False)
class BagIndex:
    """What a bag holds, without its pictures.

    Attributes:
        path, topic: the bag, and the image topic.
        times: bag times of the images in nanoseconds, ascending, int64 (N,).
        stamps: when the images were taken, in nanoseconds, ascending, int64 (N,). The header stamps where all of them
            are set and strictly ascending, else the bag times.
        instructions: (bag time, sentence) of each instruction.
    """

    path: Path
    topic: str
    times: np.ndarray
    stamps: np.ndarray
    instructions: tuple[tuple[int, str], ...]


def index_bag(path: Path, image_topic: str | None, instruction_topic: str | None, instruction: str | None) -> BagIndex:
    """Reads stamps and instructions, each topic in one pass; no picture is decoded.

    Args:
        image_topic, instruction_topic: None is the only one of its type.
        instruction: for the whole bag, in place of those in it.

    Raises:
        EpisodeError: the bag is damaged, a topic is missing or ambiguous, or there is no image or no instruction.
    """
    with open_bag(path) as bag:
        topic = choose_topic(bag, path, (IMAGE, COMPRESSED_IMAGE), image_topic, "--image-topic")
        times, stamps = _image_times(bag, path, topic)
        if instruction:
            instructions = ((int(times[0]), instruction.strip()),)
        else:
            instructions = _instructions(bag, path, instruction_topic)
    return BagIndex(path, topic, times, stamps, instructions)


def _image_times(bag: Reader, path: Path, topic: str) -> tuple[np.ndarray, np.ndarray]:
    times, stamps = [], []
    for time, kind, raw in topic_messages(bag, path, topic):
        stamp = decode_message(path, kind, raw).header.stamp
        times.append(time)
        stamps.append(stamp.sec * NANOSECONDS + stamp.nanosec)
    if not times:
        raise EpisodeError(path, f"no images on {topic}")
    with reading(path, "times out of range"):
        bag_times, header_stamps = np.array(times, np.int64), np.array(stamps, np.int64)
    usable = header_stamps.all() and (np.diff(header_stamps) > 0).all()
    return bag_times, header_stamps if usable else bag_times


def _instructions(bag: Reader, path: Path, wanted: str | None) -> tuple[tuple[int, str], ...]:
    if wanted is None and not any(each.msgtype == STRING for each in bag.connections):
        raise EpisodeError(path, f"no instruction: it has no topic of {STRING}; give one with --instruction")
    topic = choose_topic(bag, path, (STRING,), wanted, "--instruction-topic")
    messages = topic_messages(bag, path, topic)
    instructions = tuple((time, decode_message(path, kind, raw).data.strip()) for time, kind, raw in messages)
    if not instructions:
        raise EpisodeError(path, f"no instruction on {topic}; give one with --instruction")
    return instructions
