"""Reading of bags: as rosbags' own reader does, but nothing in a bag is compiled, and nothing expands without end."""

import struct
import tracemalloc

import lz4.frame
import numpy as np
import pytest
from backports import zstd
from episode_files.bags import SECOND, START, STRING, TYPES, compressed_image, raw_image, sentence, write_bag
from robotwin_files import picture
from rosbags.highlevel import AnyReader
from rosbags.image import message_to_cvimage
from rosbags.rosbag2 import CompressionMode
from rosbags.typesys import Stores, get_typestore

from framepred_ros.replay import bag_reader
from framepred_ros.replay.bag_reader import BagError, decode_message, open_bag, read_messages
from framepred_ros.replay.episode_bag import BagFrame, BagInstruction, EpisodeBag

LIMIT = 2**20  # in these tests
BOMB = 32 * LIMIT


def tight_image(rgb, time):
    return raw_image(rgb, time, padding=0)  # rosbags-image does not know padded rows


def recording(image=tight_image, count=4):
    images = [image(picture(1, index), START + index * SECOND // 10) for index in range(count)]
    return [sentence("Pour.", START), *images]


def by_rosbags(folder):
    """What the bag says, read with rosbags' own reader, its types and its conversion."""
    with AnyReader([folder], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as bag:
        for connection, time, raw in bag.messages():
            message = bag.deserialize(raw, connection.msgtype)
            if connection.msgtype == STRING:
                yield time, message.data
            else:
                stamp = message.header.stamp.sec * SECOND + message.header.stamp.nanosec
                yield time, stamp, message.header.frame_id, message_to_cvimage(message, "rgb8").tolist()


def by_us(folder):
    for item in EpisodeBag(folder).read():
        if isinstance(item, BagInstruction):
            yield item.time, item.text
        else:
            yield item.time, item.stamp, item.frame_id, item.rgb.tolist()


@pytest.mark.parametrize("image", [tight_image, compressed_image])
@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        ("mcap", CompressionMode.NONE),
        ("mcap", CompressionMode.STORAGE),
        ("sqlite3", CompressionMode.NONE),
        ("sqlite3", CompressionMode.MESSAGE),
        ("sqlite3", CompressionMode.FILE),
    ],
)
def test_reads_what_rosbags_reads(tmp_path, storage, compression, image):
    folder = write_bag(tmp_path / "bag", recording(image), storage, compression)
    found = list(by_us(folder))
    assert len(found) == 5 and found == list(by_rosbags(folder))


def test_type_definitions_of_the_bag_are_not_compiled(tmp_path):
    folder = write_bag(tmp_path / "bag", recording())
    file = folder / "bag.mcap"
    good = file.read_bytes()
    assert b"uint32 height" in good
    file.write_bytes(good.replace(b"uint32 height", b"uint32 h(){}t"))
    with pytest.raises(Exception, match="Could not parse"):
        list(by_rosbags(folder))
    frames = [item.rgb for item in EpisodeBag(folder).read() if isinstance(item, BagFrame)]
    np.testing.assert_array_equal(frames, [picture(1, index) for index in range(4)])


@pytest.mark.parametrize("kept", [0, 20, 0.5, -30])
def test_a_damaged_bag_is_one_line(tmp_path, kept):
    folder = write_bag(tmp_path / "bag", recording())
    data = (folder / "bag.mcap").read_bytes()
    (folder / "bag.mcap").write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(BagError, match="cannot be read as a bag, or is damaged: ") as error:
        EpisodeBag(folder)
    assert str(error.value).startswith(f"{folder}: ") and "\n" not in str(error.value)


def test_a_damaged_message_is_named():
    with pytest.raises(BagError, match="bag: a damaged std_msgs/msg/String: "):
        decode_message("bag", STRING, b"\0\1\0\0\xff\xff\xff\x7f")


def mcap(path, compression, compress, contents, claimed):
    """Writes an .mcap file without index, of one chunk that claims a size; returns its path."""

    def text(value):
        return struct.pack("<I", len(value)) + value

    def record(code, body):
        return struct.pack("<BQ", code, len(body)) + body

    message = struct.pack("<HIQQ", 1, 0, START, START) + contents
    schema = record(3, struct.pack("<H", 1) + text(STRING.encode()) + text(b"ros2msg") + text(b"string data"))
    channel = record(4, struct.pack("<HH", 1, 1) + text(b"/instruction") + text(b"cdr") + text(b""))
    plain = schema + channel + record(5, message)
    packed = compress(plain)
    size = len(plain) if claimed is None else claimed
    chunk = struct.pack("<QQQI", START, START, size, 0) + text(compression) + struct.pack("<Q", len(packed)) + packed
    header = record(1, text(b"ros2") + text(b""))
    footer = record(2, bytes(20))
    magic = b"\x89MCAP0\r\n"
    path.write_bytes(magic + header + record(6, chunk) + footer + magic)
    return path


def read_all(path):
    with open_bag(path) as bag:
        return [decode_message(path, each.msgtype, raw).data for each, _, raw in read_messages(bag, bag.connections)]


def string(length):
    return bytes(TYPES.serialize_cdr(TYPES.types[STRING]("a" * length), STRING))


COMPRESSIONS = {"lz4": lz4.frame.compress, "zstd": zstd.compress}


def refused(path):
    """The reason, having seen that no more memory was taken than the limit allows for."""
    tracemalloc.start()
    try:
        with pytest.raises(BagError) as error:
            read_all(path)
        assert tracemalloc.get_traced_memory()[1] < BOMB / 4
    finally:
        tracemalloc.stop()
    assert error.value.path == path and "\n" not in str(error.value)
    return error.value.reason


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_chunks_expand_to_their_size_only(tmp_path, monkeypatch, name):
    monkeypatch.setattr(bag_reader, "MAX_EXPANDED_BYTES", LIMIT)
    compression = name.encode(), COMPRESSIONS[name]
    assert read_all(mcap(tmp_path / "good.mcap", *compression, string(9), None)) == ["a" * 9]
    honest = mcap(tmp_path / "honest.mcap", *compression, string(BOMB), None)
    assert "when expanded, more than 1,048,576" in refused(honest)
    lying = mcap(tmp_path / "lying.mcap", *compression, string(BOMB), 5000)
    assert "expand to more than 5,000 bytes" in refused(lying)


def test_chunks_of_several_pieces_are_read(tmp_path):
    def in_two(data):
        return zstd.compress(data[:10]) + zstd.compress(data[10:])

    assert read_all(mcap(tmp_path / "good.mcap", b"zstd", in_two, string(9), None)) == ["a" * 9]


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        ("mcap", CompressionMode.STORAGE),
        ("sqlite3", CompressionMode.MESSAGE),
        ("sqlite3", CompressionMode.FILE),
    ],
)
def test_bombs_are_refused(tmp_path, monkeypatch, storage, compression):
    monkeypatch.setattr(bag_reader, "MAX_EXPANDED_BYTES", LIMIT)
    folder = write_bag(tmp_path / "bag", [sentence("a" * BOMB, START)], storage, compression)
    assert max(path.stat().st_size for path in folder.iterdir()) < LIMIT / 8
    assert "more than" in refused(folder)
