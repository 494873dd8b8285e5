"""Damaged files of every format: readers answer with EpisodeError or frames, and do nothing else.

FRAMEPRED_FUZZ_EXAMPLES=2000 tries more of them per format.
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from episode_files import bags, lerobot
from episode_files.robotwin_hdf5 import write_robotwin2, write_xpolicylab
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from robotwin_files import picture, write_episode, write_instructions
from rosbags.rosbag2 import CompressionMode

from training.episodes import EpisodeError, SourceOptions, open_source

EXAMPLES = int(os.environ.get("FRAMEPRED_FUZZ_EXAMPLES", "25"))
TASK = "stack"
FRAMES = [picture(1, frame, 16, 16) for frame in range(4)]
MOST_FRAMES = 50  # a damaged file may claim a million


def write_robotwin1(root):
    write_instructions(root, TASK, ["Stack."], ["Please stack."])
    write_episode(root, TASK, 0, 2, size=(16, 16))


def write_bag(root, image, storage, compression=CompressionMode.NONE):
    images = [image(frame, bags.START + i * bags.SECOND // 10) for i, frame in enumerate(FRAMES)]
    bags.write_bag(root / TASK, [*images, bags.sentence("Stack.", bags.START)], storage, compression)


def write_frames(root):
    (root / TASK).mkdir()
    for number, suffix in enumerate((".png", ".jpg")):
        for index, frame in enumerate(FRAMES):
            Image.fromarray(frame).save(root / TASK / f"episode{number}_frame{index}{suffix}")
    write_instructions(root, TASK, ["Stack."])


def write_pairs(root):
    for side in ("input", "target"):
        (root / TASK / side).mkdir(parents=True)
        for number, suffix in enumerate((".png", ".jpg")):
            Image.fromarray(FRAMES[number]).save(root / TASK / side / f"{number}{suffix}")
    write_instructions(root, TASK, ["Stack."])


def pair_table():
    pictures = {name: [{"bytes": lerobot.png(frame)} for frame in FRAMES] for name in ("input_image", "edited_image")}
    return Dataset.from_dict({**pictures, "edit_prompt": ["Stack."] * len(FRAMES)})


WRITERS = {
    "robotwin1": write_robotwin1,
    "robotwin2": lambda root: write_robotwin2(root, TASK, 0, {"head_camera": FRAMES}),
    "robotwin": lambda root: write_xpolicylab(root, TASK, 0, {"head_camera": FRAMES}),
    "bag mcap": lambda root: write_bag(root, bags.raw_image, "mcap"),
    "bag sqlite3": lambda root: write_bag(root, bags.compressed_image, "sqlite3"),
    "bag mcap zstd": lambda root: write_bag(root, bags.raw_image, "mcap", CompressionMode.STORAGE),
    "bag sqlite3 zstd": lambda root: write_bag(root, bags.raw_image, "sqlite3", CompressionMode.MESSAGE),
    "lerobot video": lambda root: lerobot.write_lerobot(root, {lerobot.VIDEO: [FRAMES] * 2}, [["Stack."]] * 2),
    "lerobot image": lambda root: lerobot.write_lerobot(root, {lerobot.IMAGE: [FRAMES] * 2}, [["Stack."]] * 2),
    "lerobot v2 video": lambda root: lerobot.write_lerobot_v2(root, {lerobot.VIDEO: [FRAMES] * 2}, [["Stack."]] * 2),
    "lerobot v2 image": lambda root: lerobot.write_lerobot_v2(root, {lerobot.IMAGE: [FRAMES] * 2}, [["Stack."]] * 2),
    "frames": write_frames,
    "pairs folder": write_pairs,
    "pairs parquet": lambda root: pair_table().to_parquet(root / "train.parquet"),
    "pairs arrow": lambda root: pair_table().save_to_disk(root),
}


class Watch:
    """Notes what a reader must not do: start programs, connect, write or delete files. (Python's audit events.)"""

    FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect")
    CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "shutil.")

    def __init__(self):
        self.on = False
        self.seen = []
        sys.addaudithook(self.hook)

    def hook(self, event, arguments):
        if self.on and (
            event.startswith(self.FORBIDDEN + self.CHANGES)
            or (event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"))
        ):
            self.seen.append((event, *arguments))


@pytest.fixture(scope="module")
def watch():
    return Watch()


@dataclass
class Template:
    """A good source on disk, whose files are damaged one at a time and then restored."""

    name: str
    root: Path
    files: dict[Path, bytes] = field(default_factory=dict)

    def read(self) -> int:
        """Reads everything, as a build would; returns the number of frames read."""
        frames = 0
        try:
            source = open_source(self.root, SourceOptions(horizon=1), self.name.split()[0])
            for error in source.bad:
                assert "\n" not in str(error)
            for episode in source.episodes:
                for _, frame in episode.read(range(min(len(episode), MOST_FRAMES))):
                    assert (frame.dtype, frame.ndim, frame.shape[2]) == (np.uint8, 3, 3)
                    frames += 1
                episode.frames.checksum()
        except EpisodeError as error:
            assert "\n" not in str(error)
            assert error.reason
        return frames


@pytest.fixture(scope="module", params=WRITERS)
def template(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param.replace(" ", "_"))
    WRITERS[request.param](root)
    files = {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    found = Template(request.param, root, files)
    assert found.read() >= 2
    return found


INTERESTING = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from(
        [b"\x00" * 8, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00" * 64, b"{", b"[" * 999]
    ),
)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "overwrite", "insert", "delete", "truncate", "repeat"]), st.floats(0, 1), INTERESTING
    ),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, edits) -> bytes:
    for kind, where, payload in edits:
        at = int(where * len(data))
        removed, inserted = {
            "flip": (1, bytes(byte ^ payload[0] for byte in data[at : at + 1])),
            "overwrite": (len(payload), payload),
            "insert": (0, payload),
            "delete": (len(payload), b""),
            "truncate": (len(data), b""),
            "repeat": (0, data[at : at + 32 * len(payload)]),
        }[kind]
        data = data[:at] + inserted + data[at + removed :]
    return data


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data(), edits=EDITS)
def test_damaged_files_are_refused_or_read(template, watch, data, edits):
    path = data.draw(st.sampled_from(sorted(template.files)))
    good = template.files[path]
    path.write_bytes(damaged(good, edits))
    watch.seen.clear()
    watch.on = True
    try:
        template.read()
    finally:
        watch.on = False
        path.write_bytes(good)
    assert watch.seen == []


def test_the_watch_sees_what_it_has_to(watch, tmp_path):
    watch.seen.clear()
    watch.on = True
    os.system("true")
    (tmp_path / "file").write_text("")
    (tmp_path / "file").unlink()
    watch.on = False
    assert [event for event, *_ in watch.seen] == ["os.system", "open", "os.remove"]
