"""Opening a source whose format is found out, and what all formats have in common."""

import pickle

import cv2
import h5py
import pytest
from episode_files.lerobot import VIDEO, write_lerobot
from episode_files.robotwin_hdf5 import write_robotwin2, write_xpolicylab
from robotwin_files import picture, write_episode, write_task

from training.episodes import FORMATS, Episode, EpisodeError, SourceOptions, detect_format, open_source

TASK = "block_handover"


def test_a_source_of_several_formats_has_to_be_named(tmp_path):
    write_task(tmp_path, TASK, [2])
    write_robotwin2(tmp_path, "handover_block", 0, {"head_camera": [picture(0, 0)]})
    with pytest.raises(EpisodeError, match=r"several formats \(robotwin1, robotwin2\); choose one with --format"):
        open_source(tmp_path)
    assert [open_source(tmp_path, format_name=name).format for name in ("robotwin1", "robotwin2")] == [
        "robotwin1",
        "robotwin2",
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_of_something_else_is_no_source(tmp_path, name):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("nothing")
    with pytest.raises(EpisodeError, match="no episodes of a known format; looked for robotwin1"):
        detect_format(tmp_path)
    with pytest.raises(EpisodeError) as error:
        open_source(tmp_path, format_name=name)
    assert error.value.path.is_relative_to(tmp_path)


def test_an_instruction_among_the_options_wins_in_every_format(tmp_path):
    images = {"head_camera": [picture(0, 0)] * 2}
    write_episode(tmp_path / "robotwin1", TASK, 0, 2)  # the early version has no instructions of its own
    write_robotwin2(tmp_path / "robotwin2", TASK, 0, images, instructions={})
    write_xpolicylab(tmp_path / "robotwin", TASK, 0, images)
    write_lerobot(tmp_path / "lerobot", {VIDEO: [images["head_camera"]]}, [["Stack."]])
    for name in ("robotwin1", "robotwin2", "robotwin", "lerobot"):
        (episode,) = open_source(tmp_path / name, SourceOptions(instruction=" Do it. ")).episodes
        assert (episode.seen, episode.unseen) == (("Do it.",), ())


def test_instructions_of_single_tasks(tmp_path):
    for task in ("pour", "stack", "wipe"):
        write_episode(tmp_path, task, 0, 2)
    options = SourceOptions(instruction="Do it.", task_instructions=(("pour", "Pour."), ("wipe", "Wipe.")))
    episodes = open_source(tmp_path, options).episodes
    assert [(each.task, each.seen) for each in episodes] == [
        ("pour", ("Pour.",)),
        ("stack", ("Do it.",)),
        ("wipe", ("Wipe.",)),
    ]


def test_missing_instructions_name_the_option(tmp_path):
    images = {"head_camera": [picture(0, 0)] * 2}
    write_episode(tmp_path / "robotwin1", TASK, 0, 2)
    file = write_robotwin2(tmp_path / "robotwin2", TASK, 0, images)
    (file.parent.parent / "instructions" / "episode0.json").unlink()
    file = write_xpolicylab(tmp_path / "robotwin", TASK, 0, images, variant="downloaded")
    with h5py.File(file, "r+") as root:
        del root["instructions"]
    write_lerobot(tmp_path / "lerobot", {VIDEO: [images["head_camera"]]}, [[]])
    write_frames(tmp_path / "frames" / TASK)
    for name in ("robotwin1", "robotwin2", "robotwin", "lerobot", "frames"):
        (error,) = open_source(tmp_path / name).bad
        assert "no instructions" in error.reason
        assert "--instruction" in error.reason


def write_frames(folder):
    folder.mkdir(parents=True)
    for index in range(2):
        cv2.imwrite(str(folder / f"episode0_frame{index}.jpg"), picture(0, index))


def test_an_error_says_which_episode_and_survives_another_process():
    error = EpisodeError("folder/7.pkl", "it is\nbroken").of(TASK, 3)
    for same in (error, pickle.loads(pickle.dumps(error))):
        assert str(same) == "folder/7.pkl: it is broken"
        assert (str(same.path), same.reason, same.task, same.number) == ("folder/7.pkl", "it is broken", TASK, 3)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "two words", "ü", "-flag", "a\n"])
def test_names_of_tasks_cannot_become_other_paths(tmp_path, name):
    with pytest.raises(EpisodeError, match="cannot be a task's name"):
        Episode(name, 0, None, 0.1, ("Do it.",), (), tmp_path)
    assert Episode("a-B_1.2", 0, None, 0.1, ("Do it.",), (), tmp_path).task == "a-B_1.2"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"fps": 0}, "rate"),
        ({"fps": float("nan")}, "rate"),
        ({"max_gap": 0}, "gap"),
        ({"instruction": "  "}, "instruction is empty"),
        ({"task_instructions": (("stack", " "),)}, "instruction is empty"),
        ({"channel_order": "grb"}, "channel order must be one of bgr, rgb"),
        ({"horizon": 0}, "horizon"),
    ],
)
def test_options_without_meaning_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        SourceOptions(**options)
    assert SourceOptions(fps=10, max_gap=1, instruction="Do it.").fps == 10
