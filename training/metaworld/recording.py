"""Plays one episode of Meta-World by its scripted policy and writes it as RoboTwin 1.0 does, a pickle per frame."""

from __future__ import annotations

import json
import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from framepred_ros.files import new_folder
from training.metaworld.instructions import phrasings
from training.simulation.episode_folders import EpisodeRecord

WIDTH, HEIGHT = 320, 240
SHADOW_SIZE = 1024  # Meta-World's own 4096 takes a CPU 0.13 s a picture, this 0.09 s
HELD = 25
"""Steps that success has to last, in a row; with them an episode ends, so that the result is seen one horizon long."""

CAMERAS = {"corner": True, "corner2": True, "corner3": True, "corner4": True, "topview": False}
"""Meta-World's fixed cameras, and whether they hang upside down, so that their pictures are turned by half a turn."""


class _TaskFailed(Exception):
    """The policy has not succeeded in the time that Meta-World gives it."""


@dataclass(frozen=True, kw_only=True)
class MetaworldRecord(EpisodeRecord):
    """What `scene_info.json` keeps of an episode.

    `step_duration` is seconds from frame to frame: the environment's control step, `env.dt`.
    """

    step_duration: float
    camera: str


def record_episode(task: str, seed: int, folder: Path, camera: str) -> MetaworldRecord | None:
    """Play `task` from `seed` and write its frames to `folder`/{j}.pkl; None if the policy did not succeed.

    `folder` is whole or absent; `camera` is one of `CAMERAS`. A frame holds, beside the picture, the `joint_action`
    that follows it, Meta-World's action (4,): hand in x, y, z and effort of the gripper, each -1 to 1; and as `endpose`
    (4,) where the hand is (metres) and how far the gripper is open, 0 to 1.
    """
    # The policies ask for more than an action can be, on purpose; what becomes of it is the same.
    warnings.filterwarnings("ignore", "Constant", UserWarning)
    env, policy, observation = _start(task, seed, camera)
    try:
        with new_folder(folder) as partial:
            record = MetaworldRecord(
                seed=seed,
                frames=_play(env, policy, observation, partial, CAMERAS[camera]),
                randomized=False,
                instructions=phrasings(task),
                info={},
                look="metaworld",
                step_duration=float(env.dt),
                camera=camera,
            )
            (partial / "record.json").write_text(json.dumps(record.__dict__))
            return record
    except _TaskFailed:
        return None
    finally:
        env.close()


def _start(task: str, seed: int, camera: str):
    """The environment, its policy, and the first observation (39,), all drawn from `seed`."""
    import mujoco
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS
    from metaworld.policies import ENV_POLICY_MAP

    version = f"{task}-v3"
    env = ALL_V3_ENVIRONMENTS[version](render_mode="rgb_array", camera_name=camera, width=WIDTH, height=HEIGHT)
    env.model.vis.quality.shadowsize = SHADOW_SIZE  # before anything is rendered
    # As Meta-World's own goal-observable environments do it, which take no size of picture: the policies need the goal,
    # within bounds that are found anew without the kept ones. Each reset draws from the environment's own generator.
    env._partially_observable = False
    del env.sawyer_observation_space
    env._freeze_rand_vec = False
    env.seeded_rand_vec = True
    env._set_task_called = True
    np.random.seed(seed)  # what a task draws beside that comes from here
    env.seed(seed)
    observation, _ = env.reset()
    # A reset leaves the first picture behind: windows and doors where they were before, the goal's dot at the origin.
    mujoco.mj_forward(env.model, env.data)
    for name, position in env._target_site_config:
        env._set_pos_site(name, position)
    return env, ENV_POLICY_MAP[version](), observation


def _play(env, policy, observation: np.ndarray, folder: Path, upside_down: bool) -> int:
    """Write a frame before each step until success has held; returns the number of frames. Raises _TaskFailed."""
    held = 0
    for number in range(env.max_path_length):
        picture = env.render()
        picture = np.ascontiguousarray(picture[::-1, ::-1] if upside_down else picture)
        action = np.clip(policy.get_action(observation), -1, 1)
        frame = {
            "observation": {"head_camera": {"rgb": picture}},
            "pointcloud": [],
            "joint_action": action.astype(np.float64),
            "endpose": observation[:4].copy(),
        }
        with open(folder / f"{number}.pkl", "wb") as file:
            pickle.dump(frame, file, protocol=4)
        if held >= HELD:
            return number + 1
        observation, _, _, _, info = env.step(action)
        held = held + 1 if info["success"] else 0
    raise _TaskFailed
