"""ROS 2 bags of a made-up robot, written with rosbags' own writer: images, instructions, and other topics."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

TYPES = get_typestore(Stores.ROS2_HUMBLE)
IMAGE, COMPRESSED, STRING = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "std_msgs/msg/String"
START = 1_700_000_000 * 10**9
SECOND = 10**9


@dataclass
class Recorded:
    """One message: topic, type, bag time in nanoseconds, the message."""

    topic: str
    kind: str
    time: int
    message: object


def header(stamp: int):
    time = TYPES.types["builtin_interfaces/msg/Time"](sec=stamp // SECOND, nanosec=stamp % SECOND)
    return TYPES.types["std_msgs/msg/Header"](stamp=time, frame_id="camera")


def raw_image(rgb: np.ndarray, time: int, stamp: int | None = None, topic="/camera", padding=5) -> Recorded:
    """A bgr8 image whose rows have some bytes of padding, as drivers publish them."""
    height, width, _ = rgb.shape
    rows = np.concatenate([rgb[:, :, ::-1].reshape(height, -1), np.full((height, padding), 255, np.uint8)], axis=1)
    message = TYPES.types[IMAGE](
        header(time if stamp is None else stamp), height, width, "bgr8", 0, rows.shape[1], rows.reshape(-1)
    )
    return Recorded(topic, IMAGE, time, message)


def compressed_image(rgb: np.ndarray, time: int, stamp: int | None = None, topic="/camera/compressed", kind="png"):
    """A PNG or JPEG of the image with true colours."""
    data = cv2.imencode(f".{kind}", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].reshape(-1)
    message = TYPES.types[COMPRESSED](header(time if stamp is None else stamp), f"bgr8; {kind} compressed bgr8", data)
    return Recorded(topic, COMPRESSED, time, message)


def sentence(text: str, time: int, topic="/instruction") -> Recorded:
    return Recorded(topic, STRING, time, TYPES.types[STRING](text))


def write_bag(folder: Path, messages: list[Recorded], storage="mcap", compression=CompressionMode.NONE) -> Path:
    """Writes the messages in the order of their times; returns the folder."""
    plugin = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}[storage]
    folder.parent.mkdir(parents=True, exist_ok=True)
    writer = Writer(folder, version=8, storage_plugin=plugin)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer as bag:
        connections = {}
        for each in sorted(messages, key=lambda each: each.time):
            key = each.topic, each.kind
            connections[key] = connections.get(key) or bag.add_connection(*key, typestore=TYPES)
            bag.write(connections[key], each.time, TYPES.serialize_cdr(each.message, each.kind))
    return folder


def split_bag(folder: Path, messages: list[Recorded], first_of_second: int) -> Path:
    """A bag of two files, as rosbag2 records with a limit to the size; returns the folder."""
    write_bag(folder, messages[:first_of_second])
    other = write_bag(folder.with_name(f"{folder.name}_1"), messages[first_of_second:])
    (other / f"{other.name}.mcap").rename(folder / f"{other.name}.mcap")
    (other / "metadata.yaml").unlink()
    other.rmdir()
    metadata = folder / "metadata.yaml"
    text, name = metadata.read_text(), f"- {folder.name}.mcap\n"
    assert text.count(name) == 1
    metadata.write_text(text.replace(name, f"{name}  - {other.name}.mcap\n"))
    return folder
