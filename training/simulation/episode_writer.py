"""Simulates one episode and writes it as RoboTwin 1.0 does, a pickle per frame (envs/base_task.py, `_take_picture`)."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np

from framepred_ros.files import new_folder
from training.simulation.episode_folders import EpisodeRecord
from training.simulation.instructions import phrasings
from training.simulation.removal import TapedWorld, replay_without
from training.simulation.stage import robot_model
from training.simulation.stage.appearance import draw_appearance
from training.simulation.stage.camera import HeadCamera, calibration
from training.simulation.stage.kinematics import UnreachableError
from training.simulation.stage.poses import Pose
from training.simulation.stage.scene import SceneSpec
from training.simulation.stage.world import GraspError, World
from training.simulation.tasks import TASKS
from training.simulation.tasks.base import Task


class _TaskFailed(Exception):
    """The motion was played to its end, but the task's success check fails."""


def simulate_episode(
    task_name: str, seed: int, folder: Path, look: str, remove_block_at: float | None = None
) -> EpisodeRecord | None:
    """Simulate `task_name` from `seed` and write its frames to `folder`/{j}.pkl; None if the task did not succeed.

    `folder` is whole or absent; `look` is one of `appearance.LOOKS`.
    From the fraction `remove_block_at` of the episode on the task's block is gone (`removal.py`); success is then that
    of the undisturbed episode.
    """
    rng = np.random.default_rng([seed, list(TASKS).index(task_name)])
    task = TASKS[task_name](rng)
    appearance = draw_appearance(look, rng)
    try:
        with new_folder(folder) as partial:
            recorder = _Recorder(partial)
            try:
                succeeded = _play(task, task.scene(appearance), recorder, remove_block_at)
            finally:
                recorder.close()
            if not succeeded:
                raise _TaskFailed
            record = EpisodeRecord(
                seed=seed,
                frames=recorder.frames,
                randomized=appearance.look != "plain",
                instructions=phrasings(task_name, task.slots()),
                info=task.slots(),
                look=appearance.look,
            )
            (partial / "record.json").write_text(json.dumps(record.__dict__))
            return record
    except (GraspError, UnreachableError, _TaskFailed):
        return None


def _play(task: Task, scene: SceneSpec, recorder: _Recorder, remove_block_at: float | None) -> bool:
    """Play and record the episode; returns whether the task succeeded."""
    if remove_block_at is None:
        world = World(scene, recorder, task.initial_opening)
        task.play(world)
        return task.succeeded(world)
    rehearsal = TapedWorld(scene, lambda world: None, task.initial_opening)
    task.play(rehearsal)
    if not task.succeeded(rehearsal):
        return False
    replay_without(World(scene, recorder, task.initial_opening), rehearsal.tape, task.target, remove_block_at)
    return True


class _Recorder:
    """Frame signal receiver: renders the head camera and pickles the frame."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._camera: HeadCamera | None = None
        self.frames = 0

    def __call__(self, world: World) -> None:
        if self._camera is None:
            self._camera = HeadCamera(world.model)
        camera = {**calibration(world.data), "rgb": self._camera.frame(world.data)}
        flanges = {side: world.flange(side) for side in robot_model.SIDES}
        frame = robotwin_frame(camera, world.joint_targets, world.gripper_targets, flanges)
        with open(self._folder / f"{self.frames}.pkl", "wb") as file:
            pickle.dump(frame, file, protocol=4)
        self.frames += 1

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()


def robotwin_frame(
    camera: dict[str, np.ndarray],
    joint_targets: dict[str, np.ndarray],
    gripper_targets: dict[str, float],
    flanges: dict[str, Pose],
) -> dict:
    """What RoboTwin 1.0 pickles per frame, for the head camera's picture and matrices `camera`.

    `joint_action`, float64 (14,): per arm six drive targets (radians) and the gripper opening (metres). `endpose`,
    float64 (14,): per arm x, y, z (metres), roll, pitch, yaw (radians) and the gripper opening (metres).
    """
    actions, poses = [], []
    for side in robot_model.SIDES:
        actions.append([*joint_targets[side], gripper_targets[side]])
        angles = flanges[side].rotation.as_euler("xyz", suppress_warnings=True)
        poses.append([*flanges[side].position, *angles, gripper_targets[side]])
    return {
        "observation": {"head_camera": camera},
        "pointcloud": [],
        "joint_action": np.concatenate(actions),
        "endpose": np.concatenate(poses),
    }
