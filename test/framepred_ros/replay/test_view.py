"""`framepred view` on bags that rosbags writes: raw and compressed, late and missing predictions."""

import cv2
import numpy as np
import pytest
from PIL import Image
from ros_testing import make_picture
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from framepred_ros.cli import main
from framepred_ros.replay.view import find_topics, moments

STORE = get_typestore(Stores.ROS2_JAZZY)
PERIOD, HORIZON = 100_000_000, 5  # nanoseconds, frames
DELAY = 30_000_000  # nanoseconds from a frame to its prediction in the bag


def image_message(picture, stamp, compressed):
    types = STORE.types
    time = types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
    header = types["std_msgs/msg/Header"](stamp=time, frame_id="head_camera")
    if compressed:
        data = cv2.imencode(".png", picture[..., ::-1])[1].reshape(-1)
        return types["sensor_msgs/msg/CompressedImage"](header=header, format="png", data=data)
    return types["sensor_msgs/msg/Image"](
        header=header,
        height=picture.shape[0],
        width=picture.shape[1],
        encoding="rgb8",
        is_bigendian=0,
        step=picture.shape[1] * 3,
        data=picture.reshape(-1),
    )


def write_bag(folder, topics):
    """Write a bag; `topics` are name, compressed, and [(bag time, stamp, picture), ...]."""
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        messages = []
        for name, compressed, images in topics:
            kind = f"sensor_msgs/msg/{'CompressedImage' if compressed else 'Image'}"
            connection = bag.add_connection(name, kind, typestore=STORE)
            messages += [
                (time, connection, image_message(picture, stamp, compressed)) for time, stamp, picture in images
            ]
        for time, connection, message in sorted(messages, key=lambda each: each[0]):
            bag.write(connection, time, STORE.serialize_cdr(message, connection.msgtype))
    return folder


def frames(count, start=1000):
    return [(start + i * PERIOD, 7 + i * PERIOD, make_picture(64, 80, seed=i)) for i in range(count)]


def predictions(indices):
    return [(1000 + i * PERIOD + DELAY, 7 + i * PERIOD, make_picture(64, 80, seed=100 + i)) for i in indices]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_prediction_stands_between_its_frame_and_what_came(tmp_path, compressed):
    suffix = "/compressed" if compressed else ""
    bag = write_bag(
        tmp_path / "bag",
        [
            (f"/camera/image_raw{suffix}", compressed, frames(12)),
            (f"/robot/predicted_frame{suffix}", compressed, predictions([0, 3, 6, 9])),
            ("/robot/comparison", False, frames(2)),
        ],
    )
    assert find_topics(bag) == (f"/camera/image_raw{suffix}", f"/robot/predicted_frame{suffix}")
    found = list(moments(bag, HORIZON * PERIOD / 1e9))
    assert [each.stamp for each in found] == [7 + i * PERIOD for i in (0, 3, 6)], "the outcome of 9 was not recorded"
    for index, each in zip((0, 3, 6), found, strict=True):
        np.testing.assert_array_equal(each.current, make_picture(64, 80, seed=index))
        np.testing.assert_array_equal(each.predicted, make_picture(64, 80, seed=100 + index))
        np.testing.assert_array_equal(each.actual, make_picture(64, 80, seed=index + HORIZON))


def test_it_goes_on_after_the_clock_jumped_back(tmp_path):
    """A looping bag: the last prediction of the first round is recorded after the first frame of the second one."""
    ahead, later = 500 * 10**9, 20 * PERIOD
    old = [(time, stamp + ahead, picture) for time, stamp, picture in frames(8)]
    late = [(1000 + later + DELAY // 2, 7 + 7 * PERIOD + ahead, make_picture(64, 80))]
    new = [(time + later, stamp, picture) for time, stamp, picture in frames(12)]
    second = [(time + later, stamp, picture) for time, stamp, picture in predictions([0, 3, 6])]
    bag = write_bag(tmp_path / "bag", [("/image", False, old + new), ("/predicted_frame", False, late + second)])
    found = [(each.stamp - 7) // PERIOD for each in moments(bag, HORIZON * PERIOD / 1e9)]
    assert found == [0, 3, 6]


def test_lost_frames_are_not_replaced_by_others(tmp_path):
    kept = [frame for i, frame in enumerate(frames(20)) if i not in (2, 9)]
    bag = write_bag(tmp_path / "bag", [("/image", False, kept), ("/predicted_frame", False, predictions([1, 2, 4, 6]))])
    found = [(each.stamp - 7) // PERIOD for each in moments(bag, HORIZON * PERIOD / 1e9)]
    assert found == [1, 6], "frame 2 and the outcome of 4 were lost"


@pytest.mark.parametrize("name", ["view.gif", "view.mp4"])
def test_the_command_writes_an_animation(tmp_path, name, capsys):
    bag = write_bag(
        tmp_path / "bag", [("/image", False, frames(12)), ("/predicted_frame", False, predictions(range(6)))]
    )
    assert main(["view", str(bag), "-o", str(tmp_path / name), "--horizon", "0.5"]) == 0
    assert "6 predictions" in capsys.readouterr().out
    if name.endswith(".gif"):
        animation = Image.open(tmp_path / name)
        assert (animation.n_frames, animation.info["duration"]) == (6, 100)
    else:
        video = cv2.VideoCapture(str(tmp_path / name))
        assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10, rel=0.01)
        assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", name], "no temporary files stay behind"


def test_bad_input_is_one_line(tmp_path, capsys):
    good = [("/image", False, frames(12)), ("/predicted_frame", False, predictions([1]))]
    bag = write_bag(tmp_path / "good", good)
    alone = write_bag(tmp_path / "alone", good[:1])
    two = write_bag(tmp_path / "two", [*good, ("/wrist", False, frames(1))])
    for arguments, problem in (
        ([bag, "-o", tmp_path / "view.avi"], "must end in .gif or .mp4"),
        ([bag, "-o", tmp_path / "nowhere" / "view.gif"], "no such folder for the output"),
        ([tmp_path / "none", "-o", tmp_path / "view.gif"], "no bag at"),
        ([alone, "-o", tmp_path / "view.gif"], "image topics are /image"),
        ([two, "-o", tmp_path / "view.gif"], "name the camera with --image-topic"),
        ([bag, "-o", tmp_path / "view.gif", "--horizon", "60"], "no prediction has both"),
        ([bag, "-o", tmp_path / "view.gif", "--horizon", "0"], "--horizon must be above 0"),
    ):
        assert main(["view", *map(str, arguments)]) == 1
        message = capsys.readouterr().err
        assert problem in message and message.count("\n") == 1
    assert (
        main(["view", str(two), "-o", str(tmp_path / "view.gif"), "--horizon", "0.5", "--image-topic", "/image"]) == 0
    )
    assert not (tmp_path / "view.avi").exists()
