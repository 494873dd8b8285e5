"""Exported bags, read back with rosbags."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from episode_files.robotwin_hdf5 import write_robotwin2
from robotwin_files import identify, picture, write_task
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability
from rosbags.typesys import Stores, get_typestore

from training import export_bag
from training.episodes import open_source

TASK = "block_handover"


@pytest.fixture
def episode(tmp_path):
    write_task(tmp_path, TASK, [8, 12])
    return tmp_path / f"{TASK}_D435_pkl" / "episode1"


def export(episode, out, *options):
    return export_bag.main([str(episode), "--out", str(out), *options])


def read(bag: Path):
    """Per topic: (bag time, message), in the bag's order; and the durability that each topic was recorded with."""
    messages, durability = {}, {}
    with AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
        for connection, time, raw in reader.messages():
            messages.setdefault(connection.topic, []).append((time, reader.deserialize(raw, connection.msgtype)))
            durability[connection.topic] = connection.ext.offered_qos_profiles[0].durability
    return messages, durability


def test_a_bag_holds_every_frame_one_step_apart(episode, tmp_path):
    assert export(episode, tmp_path / "bag") == 0
    messages, _ = read(tmp_path / "bag")
    assert messages.keys() == {"/camera/image_raw/compressed", "/instruction"}
    images = messages["/camera/image_raw/compressed"]
    assert len(images) == 12
    stamps = []
    for frame, (time, message) in enumerate(images):
        assert message.__msgtype__ == "sensor_msgs/msg/CompressedImage"
        assert "jpeg" in message.format
        assert message.header.frame_id
        stamps.append(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)
        assert time == stamps[-1]
        rgb = cv2.cvtColor(cv2.imdecode(message.data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert identify(rgb) == (1, frame)
        assert np.abs(rgb.astype(int) - picture(1, frame)).mean() < 3
    assert stamps[0] > 0
    assert set(np.diff(stamps)) == {60_000_000}


def test_the_instruction_is_latched_and_comes_first(episode, tmp_path):
    assert export(episode, tmp_path / "bag") == 0
    messages, durability = read(tmp_path / "bag")
    ((time, message),) = messages["/instruction"]
    assert message.data == "Please do it."  # the unseen phrasing
    assert time <= messages["/camera/image_raw/compressed"][0][0]
    assert durability["/instruction"] == QosDurability.TRANSIENT_LOCAL


def test_options(episode, tmp_path):
    assert export(episode, tmp_path / "fine", "--instruction", " Hand it over. ", "--quality", "95") == 0
    assert export(episode, tmp_path / "coarse", "--quality", "20") == 0
    assert read(tmp_path / "fine")[0]["/instruction"][0][1].data == "Hand it over."
    sizes = [sum(f.stat().st_size for f in (tmp_path / name).iterdir()) for name in ("fine", "coarse")]
    assert sizes[0] > 1.3 * sizes[1]


def test_the_same_bytes_every_time(episode, tmp_path):
    for name in ("a", "b"):
        assert export(episode, tmp_path / name / "bag") == 0
    for file in ("bag.mcap", "metadata.yaml"):
        assert (tmp_path / "a" / "bag" / file).read_bytes() == (tmp_path / "b" / "bag" / file).read_bytes()


def test_an_episode_among_others_is_chosen(tmp_path, capsys):
    for task in (TASK, "blocks_stack_easy"):
        write_task(tmp_path / "episodes", task, [3, 4])
    for chosen in ((), ("--task", TASK), ("--episode", "1"), ("--task", TASK, "--episode", "2")):
        assert export(tmp_path / "episodes", tmp_path / "bag", *chosen) == 1
        assert "choose one of its 4 with --task and --episode" in capsys.readouterr().err
    assert export(tmp_path / "episodes", tmp_path / "bag", "--task", TASK, "--episode", "1") == 0
    assert len(read(tmp_path / "bag")[0]["/camera/image_raw/compressed"]) == 4


def test_an_unusable_episode_is_named(episode, tmp_path, capsys):
    (episode / "5.pkl").unlink()
    assert export(tmp_path, tmp_path / "bag", "--episode", "1") == 1
    assert "episode1: gap in the frame numbers" in capsys.readouterr().err
    assert export(tmp_path, tmp_path / "bag", "--episode", "0") == 0


def test_an_exported_bag_is_a_source_of_the_same_episode(episode, tmp_path):
    assert export(episode, tmp_path / "bags" / TASK, "--quality", "95") == 0
    (again,) = open_source(tmp_path / "bags").episodes
    assert (again.task, again.step_duration, again.seen) == (TASK, 0.06, ("Please do it.",))
    assert [identify(frame) for _, frame in again.read()] == [(1, frame) for frame in range(12)]


def test_episodes_of_any_format_can_be_exported(tmp_path):
    images = [picture(2, frame) for frame in range(5)]
    file = write_robotwin2(tmp_path, "handover_block", 2, {"head_camera": images, "front_camera": images[:1] * 5})
    assert export(file, tmp_path / "bag", "--camera", "front_camera", "--format", "robotwin2") == 0
    assert len(read(tmp_path / "bag")[0]["/camera/image_raw/compressed"]) == 5


@pytest.mark.parametrize(
    ("options", "reason"), [(("--instruction", " "), "instruction is empty"), (("--quality", "0"), "quality")]
)
def test_bad_options(episode, tmp_path, capsys, options, reason):
    assert export(episode, tmp_path / "bag", *options) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "bag").exists()


def test_a_bad_frame_leaves_nothing(episode, tmp_path, capsys):
    (episode / "7.pkl").write_bytes(b"")
    assert export(episode, tmp_path / "bags" / "bag") == 1
    assert "7.pkl" in capsys.readouterr().err
    assert list((tmp_path / "bags").iterdir()) == []


def test_an_existing_folder_is_left_alone(episode, tmp_path, capsys):
    assert export(episode, tmp_path / "bag") == 0
    before = (tmp_path / "bag" / "bag.mcap").read_bytes()
    assert export(episode, tmp_path / "bag", "--quality", "20") == 1
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "bag" / "bag.mcap").read_bytes() == before
