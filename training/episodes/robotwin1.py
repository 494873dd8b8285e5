"""RoboTwin 1.0 and its early version: one pickle per frame.

    EPISODES/{task}_{camera type}_pkl/episode{i}/{j}.pkl     RoboTwin 1.0; the early version has {task}_pkl
    EPISODES/{task}_{camera type}_pkl/scene_info.json        per episode; may hold its own instructions, its scene, and
                                                             the seconds from frame to frame, else RoboTwin's
    EPISODES/instructions/{task}.json                        {"instructions": [...], "unseen": [...]} per task

Upstream: RoboTwin-Platform/RoboTwin, branch RoboTwin-1.0: envs/base_task.py (`_take_picture`), envs/utils/save_file.py.
Upstream has neither `unseen` nor instructions or `step_duration` in scene_info.json; `training.simulate` writes the
former, `training.record_metaworld` all three. The early version has no instructions at all, so that one has to be given
among the options (`--instruction`).
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from training.episodes import restricted_pickle
from training.episodes.episode import Episode, EpisodeError, FrameSource
from training.episodes.files import absolute, numbered, read_json, reading, require_contiguous, sha256
from training.episodes.instructions import Phrasings, missing_instructions, phrasings
from training.episodes.reader import Listing, Reader, SourceOptions, attempt
from training.episodes.robotwin_clock import STEP_DURATION
from training.episodes.scene import Scene, parse_scene

DEFAULT_CAMERA = "head_camera"

# Frames take 0.2 to 30 MB, by the number of cameras, their size and the depth and segmentation stored with them.
_MAX_FRAME_BYTES = 256 * 2**20
_LONGEST_STEP = 60  # seconds

_TASK_FOLDER = re.compile(r"(?P<task>.+?)(?:_(?:Large_)?[DL]\d{3})?_pkl")
_EPISODE_FOLDER = re.compile(r"episode(0|[1-9]\d{0,8})", re.ASCII)
_FRAME_FILE = re.compile(r"(0|[1-9]\d{0,8})\.pkl", re.ASCII)


@dataclass(frozen=True)
class PickledFrames(FrameSource):
    """The frames of one camera in a folder of pickles `0.pkl`, `1.pkl`, ..."""

    folder: Path
    count: int
    camera: str

    def __len__(self) -> int:
        return self.count

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        loader = restricted_pickle.Loader()
        for index in indices:
            file = self._file(index)
            with reading(file):
                if file.stat().st_size > _MAX_FRAME_BYTES:
                    raise EpisodeError(file, f"larger than {_MAX_FRAME_BYTES >> 20} MiB, so not one RoboTwin 1.0 frame")
                image = _camera_image(loader.load(file.read_bytes()), self.camera)
            yield image

    def checksum(self) -> str:
        return sha256(self._file(index) for index in range(self.count))

    def _file(self, index: int) -> Path:
        return self.folder / f"{index}.pkl"


def recognises(path: Path) -> bool:
    """Whether the path is a folder of task folders, a task folder, or an episode folder."""
    return path.is_dir() and bool(_episode_folders(path))


def list_episodes(path: Path, options: SourceOptions) -> Listing:
    """Lists the episodes; `options.camera` is the key of the camera inside the pickles.

    An episode is unusable if it is empty, has a gap in its frame numbers, or has no or malformed instructions.

    Raises:
        EpisodeError: two folders of one task.
    """
    entries = []
    for task, folders in _episode_folders(path).items():
        instructions = _TaskInstructions(task, absolute(next(iter(folders.values()))).parent)
        for number, folder in folders.items():
            entries.append(attempt(task, number, partial(_open_episode, task, number, folder, options, instructions)))
    return Listing(options.camera or DEFAULT_CAMERA, entries)


READER = Reader("{task}_D435_pkl/episode0/0.pkl", recognises, list_episodes)


def _episode_folders(path: Path) -> dict[str, dict[int, Path]]:
    """Folders of the episodes under a path, by task and number, in this order."""
    folder = absolute(path)  # a path such as "." has no name
    task, number = _TASK_FOLDER.fullmatch(folder.parent.name), _EPISODE_FOLDER.fullmatch(folder.name)
    if task and number:
        return {task["task"]: {int(number[1]): path}}
    found = {name: numbered(folder, _EPISODE_FOLDER) for name, folder in sorted(_task_folders(path).items())}
    return {name: folders for name, folders in found.items() if folders}


def _task_folders(path: Path) -> dict[str, Path]:
    """Folders by task: the path itself, or those in it."""
    with reading(path):
        itself = absolute(path)
        candidates = [itself] if _TASK_FOLDER.fullmatch(itself.name) else sorted(path.iterdir())
    folders: dict[str, Path] = {}
    for folder in candidates:
        match = _TASK_FOLDER.fullmatch(folder.name)
        if not match or not folder.is_dir():
            continue
        task = match["task"]
        if task in folders:
            raise EpisodeError(folder, f"a second folder of the task {task}, beside {folders[task].name}")
        folders[task] = folder
    return folders


def _open_episode(
    task: str, number: int, folder: Path, options: SourceOptions, instructions: _TaskInstructions
) -> Episode:
    count = require_contiguous(numbered(folder, _FRAME_FILE), folder, "{}.pkl")
    frames = PickledFrames(folder, count, options.camera or DEFAULT_CAMERA)
    seen, unseen = options.phrasings(task) or instructions.of_episode(number)
    scene = instructions.scene_of_episode(number)
    return Episode(task, number, frames, instructions.step_duration(number), seen, unseen, folder, scene)


class _TaskInstructions:
    """What the files beside the episodes say: the task's list, and scene_info.json for single episodes."""

    def __init__(self, task: str, task_folder: Path):
        self._task_file = task_folder.parent / "instructions" / f"{task}.json"
        self._scene_file = task_folder / "scene_info.json"

    @cached_property
    def _of_task(self) -> dict[str, Any]:
        return read_json(self._task_file) if self._task_file.exists() else {}

    @cached_property
    def _scenes(self) -> dict[str, Any]:
        return read_json(self._scene_file) if self._scene_file.exists() else {}

    def of_episode(self, number: int) -> Phrasings:
        """An episode's phrasings, its own before those of its task. Raises EpisodeError if there are none."""
        scene = self._scenes.get(str(number))
        own = scene.get("instructions") if isinstance(scene, dict) else None
        if own is None:
            if not self._task_file.exists():
                raise missing_instructions(self._task_file, "there is no such file")
            return phrasings(self._of_task, self._task_file, "instructions")
        if not isinstance(own, dict):
            raise EpisodeError(self._scene_file, f"the instructions of episode {number} are not an object")
        return phrasings(own, self._scene_file)

    def scene_of_episode(self, number: int) -> Scene | None:
        """What scene_info.json says of an episode's scene. Raises EpisodeError if that is malformed."""
        info = self._scenes.get(str(number))
        if not isinstance(info, dict) or info.get("scene") is None:
            return None
        try:
            return parse_scene(info["scene"])
        except ValueError as error:
            raise EpisodeError(self._scene_file, f"episode {number}: {error}") from None

    def step_duration(self, number: int) -> float:
        """Seconds from frame to frame of an episode. Raises EpisodeError if scene_info.json says something else."""
        info = self._scenes.get(str(number))
        if not isinstance(info, dict) or info.get("step_duration") is None:
            return STEP_DURATION
        seconds = info["step_duration"]
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds <= _LONGEST_STEP:
            reason = f"episode {number}: step_duration is {seconds!r}, expected seconds up to {_LONGEST_STEP}"
            raise EpisodeError(self._scene_file, reason)
        return float(seconds)


def _camera_image(frame: Any, camera: str) -> np.ndarray:
    """The camera's picture in an unpickled frame. Raises UnpicklingError with the reason."""
    observation = frame.get("observation") if isinstance(frame, dict) else None
    if not isinstance(observation, dict):
        raise pickle.UnpicklingError("not a RoboTwin 1.0 frame, it has no 'observation'")
    if not isinstance(observation.get(camera), dict):
        present = ", ".join(sorted(key for key in observation if isinstance(key, str))) or "none"
        raise pickle.UnpicklingError(f"no camera {camera!r}; it has {present}")
    rgb = observation[camera].get("rgb")
    if not isinstance(rgb, restricted_pickle.ArrayRecord):
        raise pickle.UnpicklingError(f"camera {camera!r} has no rgb picture (recorded with data_type rgb off?)")
    image = rgb.to_array()
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise pickle.UnpicklingError(f"rgb of {camera!r} is {image.dtype} {image.shape}, expected uint8 (H, W, 3)")
    return image
