"""RoboTwin 1.0 and its early version: one pickle per frame.

    EPISODES/{task}_{camera type}_pkl/episode{i}/{j}.pkl     RoboTwin 1.0; the early version has {task}_pkl
    EPISODES/{task}_{camera type}_pkl/scene_info.json        per episode; may hold its own instructions
    EPISODES/instructions/{task}.json                        {"instructions": [...], "unseen": [...]} per task

Upstream: RoboTwin-Platform/RoboTwin, branch RoboTwin-1.0: envs/base_task.py (`_take_picture`), envs/utils/save_file.py.
Upstream has neither `unseen` nor instructions in scene_info.json; `training.simulate` writes both.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.episodes import restricted_pickle
from training.episodes.episode import Episode, EpisodeError

FORMAT_NAME = "robotwin1"
DEFAULT_CAMERA = "head_camera"

# RoboTwin stores a picture every 15 simulation steps of 1/250 s (save_freq in task_config, timestep in base_task.py).
STEP_DURATION = 15 / 250

_TASK_FOLDER = re.compile(r"(?P<task>.+?)(?:_(?:Large_)?[DL]\d{3})?_pkl")
_EPISODE_FOLDER = re.compile(r"episode(0|[1-9][0-9]*)")
_FRAME_FILE = re.compile(r"(0|[1-9][0-9]*)\.pkl")


@dataclass(frozen=True)
class PickledFrames:
    """The frames of one camera in a folder of pickles `0.pkl`, `1.pkl`, ... (`FrameSource`)."""

    folder: Path
    count: int
    camera: str

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame `index` as RGB uint8 (H, W, 3). Raises EpisodeError naming the file and the reason."""
        path = self.folder / f"{index}.pkl"
        try:
            return _camera_image(restricted_pickle.loads(path.read_bytes()), self.camera)
        except (pickle.UnpicklingError, OSError) as error:
            raise EpisodeError(f"{path}: {error}") from error

    def fingerprint(self) -> str:
        """SHA-256 over the frame count and the first, middle and last file."""
        digest = hashlib.sha256(str(self.count).encode())
        for index in sorted({0, self.count // 2, self.count - 1}):
            digest.update((self.folder / f"{index}.pkl").read_bytes())
        return digest.hexdigest()


def find_episodes(source: str | Path, camera: str = DEFAULT_CAMERA) -> list[Episode]:
    """All episodes under `source`, ordered by task and number; frames are not read yet.

    Args:
        source: the folder that holds the task folders, or a single task folder.
        camera: key of the camera inside the pickles.

    Raises:
        EpisodeError: no episodes, an empty episode, a gap in its frame numbers, no or malformed instructions, two
            folders of one task.
    """
    source = Path(source)
    if not source.is_dir():
        raise EpisodeError(f"{source}: no such folder")
    episodes = []
    for task, folder in sorted(_task_folders(source).items()):
        phrasings = _Phrasings.read(task, folder)
        for number, path in sorted(_numbered(folder, _EPISODE_FOLDER).items()):
            episodes.append(_open_episode(task, number, path, camera, phrasings))
    if not episodes:
        raise EpisodeError(f"{source}: no episodes; expected folders like {{task}}_D435_pkl/episode0/0.pkl")
    return episodes


def read_episode(path: str | Path, camera: str = DEFAULT_CAMERA) -> Episode:
    """The episode in the folder `.../{task}_D435_pkl/episode{i}`. Raises EpisodeError as `find_episodes` does."""
    path = Path(path)
    folder = path.resolve()
    task, number = _TASK_FOLDER.fullmatch(folder.parent.name), _EPISODE_FOLDER.fullmatch(folder.name)
    if not task or not number or not folder.is_dir():
        raise EpisodeError(f"{path}: not an episode folder; expected one like {{task}}_D435_pkl/episode0")
    phrasings = _Phrasings.read(task["task"], folder.parent)
    return _open_episode(task["task"], int(number[1]), path, camera, phrasings)


def _open_episode(task: str, number: int, path: Path, camera: str, phrasings: _Phrasings) -> Episode:
    seen, unseen = phrasings.of_episode(number)
    return Episode(task, number, PickledFrames(path, _count_frames(path), camera), STEP_DURATION, seen, unseen, path)


def _task_folders(source: Path) -> dict[str, Path]:
    candidates = [source] if _TASK_FOLDER.fullmatch(source.name) else sorted(source.iterdir())
    folders: dict[str, Path] = {}
    for folder in candidates:
        match = _TASK_FOLDER.fullmatch(folder.name)
        if not match or not folder.is_dir():
            continue
        task = match["task"]
        if task in folders:
            raise EpisodeError(f"{folder}: a second folder of the task {task}, beside {folders[task].name}")
        folders[task] = folder
    return folders


def _numbered(folder: Path, pattern: re.Pattern) -> dict[int, Path]:
    """Entries of a folder whose names match, by number (the names are not zero-padded, so text order is wrong)."""
    matches = ((pattern.fullmatch(entry.name), entry) for entry in folder.iterdir())
    return {int(match[1]): entry for match, entry in matches if match}


def _count_frames(folder: Path) -> int:
    numbers = _numbered(folder, _FRAME_FILE)
    if not numbers:
        raise EpisodeError(f"{folder}: empty episode, no frames like 0.pkl")
    missing = next((index for index in range(len(numbers)) if index not in numbers), None)
    if missing is not None:
        raise EpisodeError(f"{folder}: gap in the frame numbers: {missing}.pkl is missing, {max(numbers)}.pkl is there")
    return len(numbers)


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty when there is no such file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EpisodeError(f"{path}: unreadable JSON: {error}") from error
    if not isinstance(content, dict):
        raise EpisodeError(f"{path}: expected a JSON object")
    return content


@dataclass(frozen=True)
class _Phrasings:
    """The instructions of one task: the task's own list, and what scene_info.json says of single episodes."""

    task_file: Path
    of_task: dict[str, Any]
    scene_file: Path
    scenes: dict[str, Any]

    @classmethod
    def read(cls, task: str, folder: Path) -> _Phrasings:
        task_file, scene_file = folder.parent / "instructions" / f"{task}.json", folder / "scene_info.json"
        return cls(task_file, _read_json(task_file), scene_file, _read_json(scene_file))

    def of_episode(self, number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Seen and unseen phrasings, without repetitions; the episode's own win over the task's."""
        scene = self.scenes.get(str(number))
        own = scene.get("instructions") if isinstance(scene, dict) else None
        if own is None:
            return self._checked(self.of_task, "instructions", self.task_file)
        if not isinstance(own, dict):
            raise EpisodeError(f"{self.scene_file}: the instructions of episode {number} are not an object")
        return self._checked(own, "seen", self.scene_file)

    def _checked(self, lists: dict[str, Any], seen_key: str, file: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
        chosen = []
        for key in (seen_key, "unseen"):
            sentences = lists.get(key, [])
            if not isinstance(sentences, list) or not all(isinstance(s, str) and s.strip() for s in sentences):
                raise EpisodeError(f"{file}: {key!r} is not a list of sentences")
            chosen.append(tuple(dict.fromkeys(sentence.strip() for sentence in sentences)))
        if not chosen[0]:
            raise EpisodeError(f'{file}: no instructions; expected {{"{seen_key}": ["a sentence", ...]}}')
        return chosen[0], chosen[1]


def _camera_image(frame: Any, camera: str) -> np.ndarray:
    """The camera's picture in an unpickled frame. Raises UnpicklingError with the reason."""
    observation = frame.get("observation") if isinstance(frame, dict) else None
    if not isinstance(observation, dict):
        raise pickle.UnpicklingError("not a RoboTwin 1.0 frame, it has no 'observation'")
    if not isinstance(observation.get(camera), dict):
        present = ", ".join(sorted(map(str, observation))) or "none"
        raise pickle.UnpicklingError(f"no camera {camera!r}; it has {present}")
    rgb = observation[camera].get("rgb")
    if not isinstance(rgb, restricted_pickle.ArrayRecord):
        raise pickle.UnpicklingError(f"camera {camera!r} has no rgb picture (recorded with data_type rgb off?)")
    image = rgb.to_array()
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise pickle.UnpicklingError(f"rgb of {camera!r} is {image.dtype} {image.shape}, expected uint8 (H, W, 3)")
    return image
