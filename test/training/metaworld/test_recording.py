"""Episodes of Meta-World, really played: whole, upright, the same each time. Skipped where it is not installed."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from training.episodes import SourceOptions, open_source
from training.metaworld.campaign import record_tasks
from training.metaworld.recording import CAMERAS, HELD, _start

pytest.importorskip("metaworld", reason="metaworld is not installed; it wants an environment of its own (setup.py)")
TASK = "drawer-close"  # the shortest


def record(root: Path, first_seed: int = 0) -> None:
    record_tasks(root, [TASK], 1, first_seed, 1, "corner4", lambda *each: None)


def content(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("metaworld")
    record(folder)
    return folder


def test_the_reader_of_our_own_episodes_reads_them(root):
    (episode,) = open_source(root, SourceOptions()).episodes
    assert episode.task == TASK and episode.seen and episode.unseen
    assert episode.step_duration == pytest.approx(0.0125)
    info = json.loads((root / f"{TASK}_D435_pkl" / "scene_info.json").read_text())["0"]
    assert info["frames"] == len(episode) > HELD and info["camera"] == "corner4"


def test_it_moves_and_then_its_success_lasts(root):
    (episode,) = open_source(root, SourceOptions()).episodes
    first, last = (episode.frames[index].astype(float) for index in (0, len(episode) - 1))
    assert first.shape == (240, 320, 3)
    assert (np.abs(first - last).max(axis=2) > 30).mean() > 0.01


def test_what_is_there_is_not_recorded_again(root):
    (root / f"{TASK}_D435_pkl" / "seed1.partial").mkdir()  # as a killed process leaves it
    before = content(root)
    record(root)
    assert content(root) == before


def test_other_options_are_refused(root):
    with pytest.raises(ValueError, match="was made with"):
        record(root, first_seed=7)


def test_a_seed_is_one_start_and_another_is_another():
    starts = []
    for seed in (3, 3, 4):
        env, policy, observation = _start("pick-place", seed, "corner4")
        starts.append(env.step(np.clip(policy.get_action(observation), -1, 1))[0])
        env.close()
    np.testing.assert_array_equal(starts[0], starts[1])
    assert np.abs(starts[0] - starts[2]).max() > 0.01


def test_the_goal_is_in_its_place_from_the_first_picture_on():
    env, _, _ = _start("reach", 0, "corner4")
    np.testing.assert_allclose(env.data.site("goal").xpos, env._target_pos)
    env.close()


@pytest.mark.parametrize("task", ["door-close", "window-close", "drawer-close"])
def test_the_first_picture_shows_the_state_that_the_episode_starts_from(task):
    import mujoco

    env, _, _ = _start(task, 0, "corner4")
    shown = env.data.xpos.copy()
    mujoco.mj_kinematics(env.model, env.data)
    np.testing.assert_array_equal(shown, env.data.xpos)
    env.close()


def test_the_cameras_that_hang_upside_down_are_those_that_are_turned():
    env, _, _ = _start("reach", 0, "corner4")
    hanging = {name: bool(env.data.camera(name).xmat.reshape(3, 3)[2, 1] < -0.1) for name in CAMERAS}
    env.close()
    assert hanging == CAMERAS
