"""The reader of ROS 2 bags, on bags written with rosbags by test/episode_files/bags.py."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from episode_files.bags import SECOND, START, compressed_image, raw_image, sentence, split_bag, write_bag
from robotwin_files import picture
from rosbags.rosbag2 import CompressionMode

from framepred_ros.replay import bag_reader
from training.episodes import EpisodeError, SourceOptions, detect_format, open_source

STEP = SECOND // 10
TASK = "pour_water"


def at(frame: float) -> int:
    """Bag time of a frame of a camera at 10 Hz."""
    return START + round(frame * STEP)


def recording(count=8, image=raw_image, instructions=((-0.5, "Pour."),)):
    images = [image(picture(1, frame), at(frame)) for frame in range(count)]
    return images + [sentence(text, at(frame)) for frame, text in instructions]


def frames_of(episode) -> list[np.ndarray]:
    return [frame for _, frame in episode.read()]


def shown(episode) -> list[int]:
    """Which picture each frame of a losslessly stored episode is."""
    return [int(frame[0, 0, 0]) // 4 for frame in frames_of(episode)]


def open_bag(folder, **options):
    source = open_source(folder, SourceOptions(**options))
    assert source.format == "bag"
    assert source.bad == ()
    return source.episodes


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("image", [raw_image, compressed_image])
def test_frames_come_back_exactly(tmp_path, storage, image):
    folder = write_bag(tmp_path / TASK, recording(image=image), storage)
    (file,) = [path for path in folder.iterdir() if path.name != "metadata.yaml"]
    for path in (folder, tmp_path, file):
        (episode,) = open_bag(path)
        assert (episode.task, episode.number, episode.step_duration) == (TASK, 0, 0.1)
        assert (episode.seen, episode.unseen) == (("Pour.",), ())
        for index, frame in enumerate(frames_of(pickle.loads(pickle.dumps(episode)))):
            np.testing.assert_array_equal(frame, picture(1, index))
        assert len(episode) == 8


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        ("mcap", CompressionMode.STORAGE),
        ("sqlite3", CompressionMode.MESSAGE),
        ("sqlite3", CompressionMode.FILE),
    ],
)
def test_compressed_bags(tmp_path, storage, compression):
    (episode,) = open_bag(write_bag(tmp_path / TASK, recording(), storage, compression))
    assert shown(episode) == list(range(8))


def test_bags_of_several_files(tmp_path):
    messages = sorted(recording(), key=lambda each: each.time)
    (episode,) = open_bag(split_bag(tmp_path / TASK, messages, 4))
    assert shown(episode) == list(range(8))
    backwards = split_bag(tmp_path / "backwards", messages[4:] + messages[:4], 5)
    assert "the times of /camera go back" in open_source(backwards).bad[0].reason


def test_jpeg_pictures_keep_their_colours(tmp_path):
    def jpeg(rgb, time):
        return compressed_image(rgb, time, kind="jpeg")

    red = np.zeros((32, 32, 3), np.uint8)
    red[:, :, 0] = 220
    messages = [jpeg(red, at(frame)) for frame in range(3)]
    (episode,) = open_bag(write_bag(tmp_path / TASK, messages), instruction="Pour.")
    np.testing.assert_allclose(episode.frames[2], red, atol=4)


def test_any_order_of_indices(tmp_path):
    (episode,) = open_bag(write_bag(tmp_path / TASK, recording()))
    found = [(index, int(frame[0, 0, 0]) // 4) for index, frame in episode.read([5, 6, 6, 2, 7, 0])]
    assert found == [(index, index) for index in (5, 6, 6, 2, 7, 0)]


def test_an_episode_starts_with_each_instruction(tmp_path):
    told = [(1.5, "One."), (3.5, "Two."), (3.7, "Three."), (5.5, "Three.")]
    episodes = open_bag(write_bag(tmp_path / TASK, recording(instructions=told)))
    assert [(e.number, e.seen, shown(e)) for e in episodes] == [
        (0, ("One.",), [2, 3]),
        (1, ("Three.",), [4, 5]),
        (2, ("Three.",), [6, 7]),
    ]


def test_one_instruction_for_the_whole_bag(tmp_path):
    folder = write_bag(tmp_path / TASK, recording(instructions=[(3.5, "Ignored.")]))
    (episode,) = open_bag(folder, instruction="Pour.", task="pour")
    assert (episode.task, episode.seen, len(episode)) == ("pour", ("Pour.",), 8)


def test_a_pause_splits_the_episode(tmp_path):
    messages = [raw_image(picture(1, f), at(f if f < 4 else f + 20)) for f in range(8)] + [sentence("Pour.", at(-1))]
    folder = write_bag(tmp_path / TASK, messages)
    assert [shown(e) for e in open_bag(folder)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    (episode,) = open_bag(folder, max_gap=3)
    assert len(episode) == 28  # the pause is filled with its nearest frames
    assert shown(episode) == [0, 1, 2] + [3] * 11 + [4] * 11 + [5, 6, 7]


def test_frames_are_resampled_by_nearest_stamp(tmp_path):
    times = [0, 1.04, 1.9, 3.1, 3.9, 5.02, 6, 7]  # in steps of 0.1 s
    messages = [raw_image(picture(1, f), START, at(t)) for f, t in enumerate(times)]
    for message, arrival in zip(messages, (0, 0.1, 0.2, 3, 3, 3, 6, 8), strict=True):
        message.time = at(arrival)  # the network's delay: several arrive at once, two at the very same time
    folder = write_bag(tmp_path / TASK, [*messages, sentence("Pour.", at(-1))])
    assert [shown(e) for e in open_bag(folder)] == [list(range(8))]
    assert [shown(e) for e in open_bag(folder, fps=5)] == [[0, 2, 4, 6, 7]]  # 7 is nearest to the eighth step
    (fast,) = open_bag(folder, fps=20)
    assert shown(fast) == [min(range(8), key=lambda f: abs(times[f] - step / 2)) for step in range(15)]
    assert fast.step_duration == pytest.approx(0.05)


@pytest.mark.parametrize("stamp", [lambda frame: 0, lambda frame: at(3), lambda frame: at(frame % 4)])
def test_unusable_header_stamps_give_way_to_bag_times(tmp_path, stamp):
    messages = [raw_image(picture(1, frame), at(frame), stamp(frame)) for frame in range(8)]
    (episode,) = open_bag(write_bag(tmp_path / TASK, [*messages, sentence("Pour.", at(-1))]))
    assert shown(episode) == list(range(8))


def test_episodes_of_one_task_are_numbered_through_its_bags(tmp_path):
    for name in ("b", "a", "c"):
        write_bag(tmp_path / name, recording(instructions=[(-1, name), (3.5, name)]))
    assert [(e.task, e.number, e.seen) for e in open_bag(tmp_path, task=TASK)] == [
        (TASK, number, (name,)) for number, name in enumerate("aabbcc")
    ]
    assert [(e.task, e.number) for e in open_bag(tmp_path)] == [(name, n) for name in "abc" for n in (0, 1)]


def test_topics_can_be_chosen(tmp_path):
    messages = recording() + [raw_image(picture(2, f), at(f), topic="/wrist") for f in range(8)]
    folder = write_bag(tmp_path / TASK, [*messages, sentence("Status.", at(-0.5), "/status")])
    options = {"image_topic": "/wrist", "instruction_topic": "/status"}
    source = open_source(folder, SourceOptions(**options))
    assert source.camera == "/wrist"
    np.testing.assert_array_equal(source.episodes[0].frames[3], picture(2, 3))
    assert source.episodes[0].seen == ("Status.",)


PROBLEMS = {
    "no image topic": (
        [sentence("Pour.", START)],
        {},
        "no topic of sensor_msgs/msg/Image or .*; it has /instruction (std_msgs/msg/String)",
    ),
    "several image topics": (
        [*recording(), raw_image(picture(2, 0), START, topic="/wrist")],
        {},
        "choose one with --image-topic; it has /camera (sensor_msgs/msg/Image), /instruction",
    ),
    "another image topic": (recording(), {"image_topic": "/wrist"}, "no topic '/wrist' of sensor_msgs"),
    "no instruction topic": (recording(instructions=()), {}, "give one with --instruction"),
    "several String topics": (
        [*recording(), sentence("Status.", START, "/status")],
        {},
        "choose one with --instruction-topic",
    ),
    "empty instruction": (recording(instructions=[(-1, " ")]), {}, "an empty instruction"),
    "late instruction": (recording(instructions=[(99, "Late.")]), {}, "no image on /camera after the first instruc"),
    "not a task": (recording(), {"task": "../up"}, "'../up' cannot be a task's name"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_unusable_bags_are_named(tmp_path, problem):
    messages, options, reason = PROBLEMS[problem]
    folder = write_bag(tmp_path / TASK, messages)
    source = open_source(folder, SourceOptions(**options))
    assert source.episodes == ()
    (error,) = source.bad
    assert error.path == folder
    assert all(part in error.reason for part in reason.split(".*"))


def test_one_bad_bag_among_good_ones(tmp_path):
    write_bag(tmp_path / "a", recording())
    bad = write_bag(tmp_path / "b", recording())
    (bad / "b.mcap").write_bytes((bad / "b.mcap").read_bytes()[:-30])
    source = open_source(tmp_path)
    assert [episode.task for episode in source.episodes] == ["a"]
    assert [(error.path, error.task) for error in source.bad] == [(bad, "b")]
    assert "damaged" in source.bad[0].reason


def test_a_damaged_picture_is_named(tmp_path):
    messages = recording(image=compressed_image)
    messages[3].message.data = messages[3].message.data[:-50]
    messages[4].message.data = messages[4].message.data[:0]
    (episode,) = open_bag(write_bag(tmp_path / TASK, messages))
    for index in (3, 4):
        with pytest.raises(EpisodeError, match="unusable sensor_msgs/msg/CompressedImage: no JPEG or PNG"):
            episode.frames[index]


def test_a_raw_image_that_contradicts_itself_is_named(tmp_path):
    messages = recording()
    messages[3].message.step = 5
    (episode,) = open_bag(write_bag(tmp_path / TASK, messages))
    with pytest.raises(EpisodeError, match="unusable sensor_msgs/msg/Image: step is 5"):
        frames_of(episode)


def test_the_checksum_follows_each_episode_s_frames_and_stamps(tmp_path):
    def checksums(name, messages):
        return [e.frames.checksum() for e in open_bag(write_bag(tmp_path / name, messages))]

    told = [(-1, "One."), (3.5, "Two.")]
    first = checksums("first", recording(instructions=told))
    assert first == checksums("again", recording(instructions=told))
    assert first[0] != first[1]
    other = recording(instructions=told)
    other[6].message.data = other[6].message.data.copy()
    other[6].message.data[0] ^= 1
    assert checksums("other", other)[0] == first[0]
    assert checksums("another", other)[1] != first[1]


def test_a_single_image_has_no_rate(tmp_path):
    folder = write_bag(tmp_path / TASK, recording(1))
    with pytest.raises(EpisodeError, match="a single frame has no rate"):
        open_source(folder)
    assert shown(open_bag(folder, fps=10)[0]) == [0]


def test_code_in_the_bag_s_type_definitions_does_not_run(tmp_path):
    """rosbags makes Python code of type definitions; the reader leaves them alone, so broken ones do not matter."""
    folder = write_bag(tmp_path / TASK, recording())
    file = folder / f"{TASK}.mcap"
    data = file.read_bytes()
    assert b"uint32 height" in data
    file.write_bytes(data.replace(b"uint32 height", b"uint32 h(){}t"))
    assert shown(open_bag(folder)[0]) == list(range(8))


def test_a_bag_that_expands_without_end_is_one_bad_bag(tmp_path, monkeypatch):
    monkeypatch.setattr(bag_reader, "MAX_EXPANDED_BYTES", 10_000)
    write_bag(tmp_path / "a", recording(2, instructions=[(-1, "Pour.")], image=compressed_image))
    write_bag(tmp_path / "b", recording(), compression=CompressionMode.STORAGE)
    source = open_source(tmp_path)
    assert [episode.task for episode in source.episodes] == ["a"]
    (error,) = source.bad
    assert (error.path, error.task) == (tmp_path / "b", "b") and "when expanded, more than 10,000" in error.reason


def test_detection(tmp_path):
    write_bag(tmp_path / TASK, recording())
    assert detect_format(tmp_path) == detect_format(tmp_path / TASK) == "bag"


@pytest.mark.parametrize("image", [raw_image, compressed_image])
def test_bags_need_no_ros(tmp_path, image):
    folder = write_bag(tmp_path / TASK, recording(image=image))
    program = (
        "import sys; sys.modules['sensor_msgs'] = sys.modules['std_msgs'] = sys.modules['rclpy'] = None\n"
        "from training.episodes import open_source\n"
        f"print(len(list(open_source({str(folder)!r}).episodes[0].read())))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "8"
