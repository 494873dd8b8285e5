"""RoboTwin since 2026 (XPolicyLab layout v1.0): one HDF5 file per episode, with the instructions inside.

    data/{task_config}/{task}/{embodiment}/data/episode_0000000.hdf5             as collected
    data/{task_config}/{task}/{embodiment}/instruction/episode_0000000.json      {"seen": [...], "unseen": [...]}
    data/RoboTwin/{task}/{embodiment}/data/episode_0000000.hdf5                  as downloaded, or converted from 2.0

    vision/{camera}/colors        (N - 1,) JPEG byte strings of an episode of N frames
    instructions, instruction     a string with a JSON list, or strings
    additional_info/frequency     simulation steps per frame

RoboTwin pairs each state with the action that leads to the next one, so an episode's last picture (the success) is not
in the file; it is one frame shorter than in RoboTwin 1.0 and 2.0. `frequency` is no frequency: it holds `save_freq`,
the number of simulation steps of 1/250 s from one frame to the next; RoboTwin's 15 where it is missing.

Upstream: RoboTwin-Platform/RoboTwin, branch main: envs/utils/pkl2hdf5.py (`create_xpolicylab_hdf5`),
scripts/collect_data.py, scripts/process_data_xpolicylab.py.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from training.episodes.episode import Episode, EpisodeError
from training.episodes.files import absolute, read_json, reading
from training.episodes.hdf5 import find_object, open_hdf5, read_strings
from training.episodes.hdf5_frames import camera_frames
from training.episodes.hdf5_tree import Hdf5Tree
from training.episodes.instructions import Phrasings, phrasings
from training.episodes.reader import Listing, Reader, SourceOptions, attempt
from training.episodes.robotwin_clock import SIMULATION_RATE, STEPS_PER_FRAME

DEFAULT_CAMERA = "cam_head"
FORMAT_VERSION = "v1.0"


_TREE = Hdf5Tree(re.compile(r"episode_(\d{7})\.hdf5", re.ASCII))


def list_episodes(path: Path, options: SourceOptions) -> Listing:
    """Lists the episodes; `options.camera` is a key under `vision`.

    An episode is unusable if its file is damaged, of another version, or lacks the camera, or if it has no instruction.

    Raises:
        EpisodeError: several configurations or embodiments of one task.
    """
    entries = [
        attempt(task, number, partial(_open_episode, task, number, file, options))
        for task, number, file in _TREE.episodes(path)
    ]
    return Listing(options.camera or DEFAULT_CAMERA, entries, options.channel_order)


READER = Reader("{task}/{embodiment}/data/episode_0000000.hdf5", _TREE.contains_any, list_episodes)


def _open_episode(task: str, number: int, file: Path, options: SourceOptions) -> Episode:
    with open_hdf5(file) as root:
        version = read_strings(root, "data_format_version", file)
        if version not in ([], [FORMAT_VERSION]):
            raise EpisodeError(file, f"format version {version[0]!r}; this reader knows {FORMAT_VERSION}")
        camera = options.camera or DEFAULT_CAMERA
        frames = camera_frames(root, file, "vision/{}/colors", camera, options.channel_order)
        step_duration = _steps_per_frame(root, file) / SIMULATION_RATE
        seen, unseen = options.phrasings(task) or _phrasings(root, file)
    return Episode(task, number, frames, step_duration, seen, unseen, file)


def _steps_per_frame(root: h5py.File, path: Path) -> int:
    dataset = find_object(root, "additional_info/frequency", path)
    if dataset is None:
        return STEPS_PER_FRAME
    with reading(path, "additional_info/frequency cannot be read"):
        value = dataset[()]
        if not np.issubdtype(dataset.dtype, np.integer) or np.ndim(value) or not 0 < value <= SIMULATION_RATE:
            raise EpisodeError(path, f"additional_info/frequency is {value}, expected simulation steps per frame")
    return int(value)


def _phrasings(root: h5py.File, path: Path) -> Phrasings:
    """Those of the JSON file beside the episode, which alone has unseen ones; else those inside."""
    beside = absolute(path).parent.parent / "instruction" / f"{path.stem}.json"
    if beside.exists():
        return phrasings(read_json(beside), beside)
    inside = read_strings(root, "instructions", path) or read_strings(root, "instruction", path)
    if len(inside) == 1 and inside[0].lstrip().startswith("["):
        with reading(path, "instructions are no JSON list"):
            inside = json.loads(inside[0])
    return phrasings({"instructions": [text for text in inside if text != ""]}, path, "instructions")
