"""The reader of folders of extracted frames."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image
from robotwin_files import identify, picture, write_instructions

from training.episodes import EpisodeError, SourceOptions, detect_format, open_source

TASK = "blocks_stack_easy"


def write_frames(root, task, episode, count, suffix=".png", size=(48, 64)):
    """Writes the frames of one episode; returns the task's folder."""
    folder = root / task
    folder.mkdir(parents=True, exist_ok=True)
    for frame in range(count):
        image = Image.fromarray(picture(episode, frame, *size))
        image.save(folder / f"episode{episode}_frame{frame}{suffix}", quality=95)
    return folder


@pytest.fixture
def root(tmp_path):
    write_frames(tmp_path, TASK, 3, 12)
    write_frames(tmp_path, TASK, 10, 2)
    write_instructions(tmp_path, TASK, ["Stack."], ["Please stack."])
    return tmp_path


def test_frames_come_back_exactly_in_numeric_order(root):
    source = open_source(root)
    assert (source.format, source.camera, source.bad) == ("frames", "frames", ())
    assert [(e.task, e.number, len(e)) for e in source.episodes] == [(TASK, 3, 12), (TASK, 10, 2)]
    for index, frame in pickle.loads(pickle.dumps(source.episodes[0])).read():
        np.testing.assert_array_equal(frame, picture(3, index))
    assert (source.episodes[0].seen, source.episodes[0].unseen) == (("Stack.",), ("Please stack.",))
    assert [e.number for e in open_source(root / TASK).episodes] == [3, 10]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpeg_frames_keep_their_colours(tmp_path, suffix):
    write_frames(tmp_path, TASK, 3, 4, suffix)
    source = open_source(tmp_path, SourceOptions(instruction="Stack."))
    assert [identify(frame) for _, frame in source.episodes[0].read()] == [(3, index) for index in range(4)]


def test_instructions_beside_the_frames_and_among_the_options_win(root):
    (root / TASK / "instructions.json").write_text(json.dumps({"seen": ["One.", "Two."]}))
    assert open_source(root).episodes[0].seen == ("One.", "Two.")
    (episode, _) = open_source(root, SourceOptions(instruction=" Three. ")).episodes
    assert (episode.seen, episode.unseen) == (("Three.",), ())


def test_the_rate_is_robotwins_or_the_one_given(root):
    assert open_source(root).episodes[0].step_duration == pytest.approx(0.06)
    assert open_source(root, SourceOptions(fps=10)).episodes[0].step_duration == pytest.approx(0.1)


def test_the_checksum_follows_every_frame(root):
    before = [episode.frames.checksum() for episode in open_source(root).episodes]
    write_frames(root, TASK, 3, 7, size=(24, 32))
    after = [episode.frames.checksum() for episode in open_source(root).episodes]
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_a_gap_is_named(root):
    (root / TASK / "episode3_frame5.png").unlink()
    source = open_source(root)
    assert [episode.number for episode in source.episodes] == [10]
    assert str(source.bad[0]).endswith(
        "gap in the frame numbers: episode3_frame5.png is missing, episode3_frame11.png is there"
    )
    assert (source.bad[0].task, source.bad[0].number) == (TASK, 3)


def test_mixed_kinds_are_named(root):
    write_frames(root, TASK, 10, 1, ".jpg")
    assert "several kinds: .jpg, .png" in open_source(root).bad[0].reason


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_a_damaged_frame_is_named(root, content):
    file = root / TASK / "episode3_frame4.png"
    file.write_bytes(file.read_bytes()[:-40] if content is None else content)
    with pytest.raises(EpisodeError, match="damaged") as caught:
        list(open_source(root).episodes[0].read())
    assert caught.value.path == file


def test_a_picture_that_claims_gigabytes_is_not_decoded(root):
    file = root / TASK / "episode3_frame4.png"
    data = bytearray(file.read_bytes())
    data[16:24] = (2**16).to_bytes(4, "big") * 2  # width and height in the PNG header
    file.write_bytes(data)
    with pytest.raises(EpisodeError, match="damaged|too large"):
        list(open_source(root).episodes[0].read())


def test_missing_instructions_are_named(root):
    (root / "instructions" / f"{TASK}.json").unlink()
    assert "no instructions" in open_source(root).bad[0].reason


def test_a_task_s_name_must_be_one(tmp_path):
    write_frames(tmp_path, "stack the blocks", 0, 1)
    (error,) = open_source(tmp_path, SourceOptions(instruction="Stack.")).bad
    assert "'stack the blocks' cannot be a task's name" in error.reason


def test_detection(tmp_path, root):
    assert detect_format(root / TASK) == "frames"
    (tmp_path / "empty").mkdir()
    with pytest.raises(EpisodeError, match=r"empty: no episodes of a known format; looked for robotwin1: .*frames: "):
        detect_format(tmp_path / "empty")
    with pytest.raises(EpisodeError, match="no such file or folder"):
        open_source(tmp_path / "missing")
    with pytest.raises(EpisodeError, match=r"no episodes; expected \{task\}/episode0_frame0"):
        open_source(tmp_path / "empty", format_name="frames")
    with pytest.raises(ValueError, match="no format 'zarr'; there are robotwin1"):
        open_source(root, format_name="zarr")
