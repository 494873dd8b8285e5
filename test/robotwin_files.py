"""Writes episodes as RoboTwin 1.0's own writer does, for the tests of the reader; shares no code with the reader.

Layout and keys: RoboTwin-Platform/RoboTwin, branch RoboTwin-1.0, envs/base_task.py (`_take_picture`),
envs/utils/save_file.py. RoboTwin runs on Python 3.8 with NumPy 1, so its pickles have protocol 4 and say "numpy.core".
"""

import io
import json
import pickle
from pathlib import Path
from types import FunctionType

import numpy as np

HEIGHT, WIDTH = 48, 64
CAMERAS = ("head_camera", "left_camera", "right_camera", "front_camera")


def picture(episode: int, frame: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A frame that tells which one it is, by a square on a smooth background: red is the frame, green the episode.

    Returns uint8 RGB (height, width, 3). `identify` reads the square back; `frame` is below 64, `episode` below 26.
    """
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([columns * 255 / width, rows * 255 / height, np.full((height, width), 200.0)], axis=2).astype(
        np.uint8
    )
    image[: height // 2, : width // 2] = (frame * 4, episode * 10, 0)
    return image


def identify(image: np.ndarray) -> tuple[int, int]:
    """(episode, frame) of a picture, also after JPEG compression."""
    red, green, _ = image[: image.shape[0] // 2 - 4, : image.shape[1] // 2 - 4].reshape(-1, 3).mean(axis=0)
    return round(green / 10), round(red / 4)


def frame_content(rgb: np.ndarray) -> dict:
    """What RoboTwin pickles for one frame, with `rgb` in the head camera and black in the others."""
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    observation = {name: _camera(np.zeros_like(rgba) if name != "head_camera" else rgba) for name in CAMERAS}
    return {
        "observation": observation,
        "pointcloud": np.zeros((16, 6)),
        "joint_action": np.arange(14.0),
        "endpose": np.arange(14.0),
    }


def _camera(rgba: np.ndarray) -> dict:
    return {
        "intrinsic_cv": np.eye(3, dtype=np.float32),
        "extrinsic_cv": np.eye(3, 4, dtype=np.float32),
        "cam2world_gl": np.eye(4, dtype=np.float32),
        "rgb": rgba[:, :, :3],
        "depth": np.full(rgba.shape[:2], 700.0),
    }


class NumPy1Pickler(pickle._Pickler):
    """Pickles as under NumPy 1, where `numpy._core` was `numpy.core`."""

    def save_global(self, obj, name=None):
        module = getattr(obj, "__module__", "") or ""
        if not module.startswith("numpy._core"):
            return super().save_global(obj, name)
        module = module.replace("numpy._core", "numpy.core")
        if self.proto >= 4:
            self.save(module)
            self.save(obj.__name__)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{obj.__name__}\n".encode())
        self.memoize(obj)

    dispatch = pickle._Pickler.dispatch | {FunctionType: save_global}


def dumps(content, protocol: int = 4, numpy1: bool = True) -> bytes:
    """The pickle of `content`, with NumPy 1's names by default."""
    stream = io.BytesIO()
    (NumPy1Pickler if numpy1 else pickle.Pickler)(stream, protocol).dump(content)
    return stream.getvalue()


def write_episode(
    root: Path, task: str, episode: int, frames: int, size=(HEIGHT, WIDTH), folder="{task}_D435_pkl"
) -> Path:
    """Writes one episode of `frames` pictures; returns its folder."""
    path = root / folder.format(task=task) / f"episode{episode}"
    path.mkdir(parents=True)
    for frame in range(frames):
        (path / f"{frame}.pkl").write_bytes(dumps(frame_content(picture(episode, frame, *size))))
    scenes = {str(number): None for number in range(len(list(path.parent.glob("episode*"))))}
    (path.parent / "scene_info.json").write_text(json.dumps(scenes))
    return path


def write_instructions(root: Path, task: str, seen, unseen=None) -> None:
    """Writes the task's list of phrasings; RoboTwin's has no unseen ones."""
    (root / "instructions").mkdir(parents=True, exist_ok=True)
    lists = {"instructions": list(seen)} | ({} if unseen is None else {"unseen": list(unseen)})
    (root / "instructions" / f"{task}.json").write_text(json.dumps(lists))


def write_task(root: Path, task: str, frame_counts, seen=("Do it.", "Do it now."), unseen=("Please do it.",)) -> None:
    """Writes episodes 0, 1, ... with the given numbers of frames, and the instructions."""
    write_instructions(root, task, seen, unseen)
    for episode, frames in enumerate(frame_counts):
        write_episode(root, task, episode, frames)
