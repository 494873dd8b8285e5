"""One command from every kind of source to a dataset, and one more to its inspection."""

import cv2
import pytest
from dataset_files import build, rgb
from episode_files.bags import compressed_image, sentence, write_bag
from episode_files.lerobot import VIDEO, write_lerobot
from episode_files.robotwin_hdf5 import write_robotwin2, write_xpolicylab
from robotwin_files import dumps, frame_content, identify, picture, write_instructions

from training import inspect_dataset
from training.dataset.index import load_manifest, load_split

TASK = "block_hammer_beat"
EPISODES, FRAMES, HORIZON = 3, 14, 10
SPACING = 4  # between the numbers that neighbouring frames show, because video changes colours a little
MILLISECOND = 10**6


def pictures(episode, count=FRAMES):
    return [picture(episode, SPACING * frame) for frame in range(count)]


def shown(path):
    episode, number = identify(rgb(path))
    return episode, round(number / SPACING)


def robotwin1(root):
    write_instructions(root, TASK, ["Do it."])
    for episode in range(EPISODES):
        folder = root / f"{TASK}_D435_pkl" / f"episode{episode}"
        folder.mkdir(parents=True)
        for frame, image in enumerate(pictures(episode)):
            (folder / f"{frame}.pkl").write_bytes(dumps(frame_content(image)))


def robotwin2(root):
    for episode in range(EPISODES):
        write_robotwin2(root, TASK, episode, {"head_camera": pictures(episode)})


def robotwin(root):
    for episode in range(EPISODES):
        write_xpolicylab(root, TASK, episode, {"head_camera": pictures(episode, FRAMES + 1)})


def bag(root):
    messages = []
    for episode in range(EPISODES):
        begin = (1 + 10 * episode) * 1000 * MILLISECOND
        messages.append(sentence("Do it.", begin))
        for frame, image in enumerate(pictures(episode)):
            messages.append(compressed_image(image, begin + (10 + 60 * frame) * MILLISECOND))
    write_bag(root / TASK, messages)


def lerobot(root):
    write_lerobot(root / TASK, {VIDEO: [pictures(episode) for episode in range(EPISODES)]}, [["Do it."]] * EPISODES)


def frames(root):
    write_instructions(root, TASK, ["Do it."])
    (root / TASK).mkdir()
    for episode in range(EPISODES):
        for frame, image in enumerate(pictures(episode)):
            cv2.imwrite(str(root / TASK / f"episode{episode}_frame{frame}.jpg"), image[:, :, ::-1])


SOURCES = {source.__name__: source for source in (robotwin1, robotwin2, robotwin, bag, lerobot, frames)}


@pytest.mark.parametrize("name", SOURCES)
def test_from_source_to_inspection(name, tmp_path):
    (tmp_path / "source").mkdir()
    SOURCES[name](tmp_path / "source")
    source = tmp_path / "source" / TASK if name == "lerobot" else tmp_path / "source"
    assert build(source, tmp_path / "d", horizon=HORIZON) == 0
    manifest = load_manifest(tmp_path / "d")
    assert manifest.source[0]["format"] == name
    assert manifest.tasks == [TASK]
    rows = load_split(tmp_path / "d", "train") + load_split(tmp_path / "d", "test")
    assert len(rows) == EPISODES * (FRAMES - HORIZON)
    for row in rows:
        assert shown(row.input_image) == (row.episode, row.frame)
        assert shown(row.edited_image) == (row.episode, row.frame + HORIZON)
    assert inspect_dataset.main([str(tmp_path / "d"), "--out", str(tmp_path / "inspection"), "--pairs", "1"]) == 0
    assert (tmp_path / "inspection" / "pairs.png").is_file()
