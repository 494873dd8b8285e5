"""The RoboTwin 1.0 reader, on files written by test/robotwin_files.py."""

import json
import os
import pickle
import re

import numpy as np
import pytest
from robotwin_files import dumps, frame_content, picture, write_episode, write_instructions, write_task

from training.episodes import EpisodeError, SourceOptions, detect_format, open_source

TASK = "block_hammer_beat"


def find_episodes(path, camera=None):
    """The episodes of a source that has no bad ones."""
    assert detect_format(path) == "robotwin1"
    source = open_source(path, SourceOptions(camera=camera))
    assert source.camera == (camera or "head_camera")
    assert source.bad == ()
    return source.episodes


@pytest.fixture
def root(tmp_path):
    write_task(tmp_path, TASK, [12, 3])
    return tmp_path


def rewrite(root, change, episode=0, frame=1):
    """Replaces one pickle by one whose content `change` has modified."""
    content = frame_content(picture(episode, frame))
    change(content)
    (root / f"{TASK}_D435_pkl" / f"episode{episode}" / f"{frame}.pkl").write_bytes(dumps(content))


def test_frames_come_in_numeric_order_as_they_were_recorded(root):
    episodes = find_episodes(root)
    assert [(e.task, e.number, len(e)) for e in episodes] == [(TASK, 0, 12), (TASK, 1, 3)]
    frames = list(episodes[0].read())
    assert [index for index, _ in frames] == list(range(12))
    for index, frame in frames:
        assert frame.dtype == np.uint8
        np.testing.assert_array_equal(frame, picture(0, index))


def test_a_horizon_of_fifty_frames_is_three_seconds(root):
    assert 50 * find_episodes(root)[0].step_duration == pytest.approx(3.0)


def test_an_episode_may_say_how_long_its_steps_are(root):
    scenes = root / f"{TASK}_D435_pkl" / "scene_info.json"
    scenes.write_text(json.dumps({"0": {"step_duration": 0.0125}, "1": None}))
    assert [episode.step_duration for episode in find_episodes(root)] == [0.0125, 0.06]
    for wrong in (0, -1, "fast", True, float("nan"), 1e9):
        scenes.write_text(json.dumps({"0": {"step_duration": wrong}}))
        (bad,) = open_source(root, SourceOptions()).bad
        assert "step_duration" in str(bad) and bad.path == scenes


def test_any_camera_can_be_read(root):
    rewrite(root, lambda content: content["observation"]["front_camera"].update(rgb=picture(7, 9)), frame=0)
    np.testing.assert_array_equal(find_episodes(root, "front_camera")[0].frames[0], picture(7, 9))


@pytest.mark.parametrize("folder", ["{task}_pkl", "{task}_D435_pkl", "{task}_L515_pkl", "{task}_Large_D435_pkl"])
def test_folder_names_of_all_versions(tmp_path, folder):
    write_instructions(tmp_path, TASK, ["Do it."])
    path = write_episode(tmp_path, TASK, 4, 2, folder=folder)
    for found in map(find_episodes, (tmp_path, path.parent, path)):
        assert [(e.task, e.number, e.seen) for e in found] == [(TASK, 4, ("Do it.",))]


def test_other_folders_are_left_alone(root):
    (root / f"{TASK}_D435_pkl" / "episode2.partial").mkdir()
    (root / f"{TASK}_D435_pkl" / "notes.txt").write_text("")
    (root / "seeds").mkdir()
    assert len(find_episodes(root)) == 2


def test_phrasings_of_the_task_without_repetitions(tmp_path):
    write_instructions(tmp_path, TASK, ["One.", "Two.", " One. "])
    write_episode(tmp_path, TASK, 0, 1)
    (episode,) = find_episodes(tmp_path)
    assert (episode.seen, episode.unseen) == (("One.", "Two."), ())


def test_an_episode_s_own_phrasings_win(root):
    own = {"seed": 5, "instructions": {"seen": ["Left."], "unseen": ["To the left."]}}
    (root / f"{TASK}_D435_pkl" / "scene_info.json").write_text(json.dumps({"0": own, "1": None}))
    first, second = find_episodes(root)
    assert (first.seen, first.unseen) == (("Left.",), ("To the left.",))
    assert (second.seen, second.unseen) == (("Do it.", "Do it now."), ("Please do it.",))


def test_the_checksum_follows_every_frame(root):
    before = find_episodes(root)[0].frames.checksum()
    assert before == find_episodes(root)[0].frames.checksum()
    rewrite(root, lambda content: content["observation"]["head_camera"]["rgb"].fill(0), frame=4)
    assert find_episodes(root)[0].frames.checksum() != before


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("executed",)


FRAME_PROBLEMS = {
    "missing camera": (
        lambda c: c["observation"].pop("head_camera"),
        "no camera 'head_camera'; it has front_camera, left",
    ),
    "rgb off": (lambda c: c["observation"]["head_camera"].pop("rgb"), "has no rgb"),
    "not RGB": (lambda c: c["observation"]["head_camera"].update(rgb=np.zeros((4, 4, 4), np.uint8)), "expected uint8"),
    "not uint8": (lambda c: c["observation"]["head_camera"].update(rgb=np.zeros((4, 4, 3))), "expected uint8"),
    "no observation": (lambda c: c.pop("observation"), "no 'observation'"),
    "mixed sizes": (lambda c: c["observation"]["head_camera"].update(rgb=picture(0, 1, 24, 32)), "frame 1 is 32x24"),
}


@pytest.mark.parametrize("problem", FRAME_PROBLEMS)
def test_unusable_frames_are_named(root, problem):
    change, reason = FRAME_PROBLEMS[problem]
    rewrite(root, change)
    with pytest.raises(EpisodeError) as error:
        list(find_episodes(root)[0].read())
    assert reason in str(error.value)
    assert "episode0" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kept", [0, 1, 1000, -1])
def test_truncated_pickles_are_named(root, kept):
    path = root / f"{TASK}_D435_pkl" / "episode0" / "1.pkl"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(EpisodeError, match=r"episode0/1\.pkl: .*truncated"):
        list(find_episodes(root)[0].read())


def test_code_in_a_frame_is_named_and_does_not_run(root, monkeypatch):
    monkeypatch.chdir(root)
    path = root / f"{TASK}_D435_pkl" / "episode0" / "1.pkl"
    path.write_bytes(pickle.dumps({**frame_content(picture(0, 1)), "extra": Malicious()}))
    with pytest.raises(EpisodeError, match=r"episode0/1\.pkl: asks for 'posix.mkdir'"):
        list(find_episodes(root)[0].read())
    assert not (root / "executed").exists()


def remove_frame(root):
    (root / f"{TASK}_D435_pkl" / "episode0" / "5.pkl").unlink()


def empty_episode(root):
    (root / f"{TASK}_D435_pkl" / "episode2").mkdir()


def remove_instructions(root):
    (root / "instructions" / f"{TASK}.json").unlink()


def break_instructions(root):
    (root / "instructions" / f"{TASK}.json").write_text("{")


def wrong_instructions(root):
    (root / "instructions" / f"{TASK}.json").write_text('{"instructions": "Do it."}')


@pytest.mark.parametrize(
    ("damage", "bad", "message"),
    [
        (remove_frame, [0], r"episode0: gap in the frame numbers: 5\.pkl is missing"),
        (empty_episode, [2], "episode2: empty episode"),
        (remove_instructions, [0, 1], r"instructions/block_hammer_beat\.json: no instructions"),
        (break_instructions, [0, 1], r"instructions/block_hammer_beat\.json: unreadable JSON"),
        (wrong_instructions, [0, 1], r"instructions/block_hammer_beat\.json: 'instructions' is not a list"),
    ],
)
def test_unusable_episodes_are_named_before_any_frame_is_read(root, damage, bad, message):
    damage(root)
    source = open_source(root)
    assert [(error.task, error.number) for error in source.bad] == [(TASK, number) for number in bad]
    assert [episode.number for episode in source.episodes] == [number for number in (0, 1) if number not in bad]
    for error in source.bad:
        assert re.search(message, str(error))
        assert str(error) == f"{error.path}: {error.reason}"


def test_two_folders_of_one_task_are_refused(root):
    write_episode(root, TASK, 0, 1, folder="{task}_pkl")
    with pytest.raises(EpisodeError, match="a second folder of the task"):
        open_source(root)


def test_a_pickle_too_large_for_a_frame_is_not_read(root):
    path = root / f"{TASK}_D435_pkl" / "episode0" / "1.pkl"
    with path.open("ab") as file:
        file.truncate(2**40)  # takes no room on disk
    with pytest.raises(EpisodeError, match=r"1\.pkl: larger than 256 MiB"):
        list(find_episodes(root)[0].read())
