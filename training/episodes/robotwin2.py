"""RoboTwin 2.0: one HDF5 file per episode.

    data/{task}/{task_config}/data/episode{i}.hdf5              observation/{camera}/rgb: (N,) JPEG byte strings
    data/{task}/{task_config}/instructions/episode{i}.json      {"seen": [...], "unseen": [...]}

The mp4 files beside the episodes play at 30 Hz, 1.8 times as fast as the simulation.

Upstream: RoboTwin-Platform/RoboTwin, branch stable_2.0: script/collect_data.py, envs/utils/pkl2hdf5.py,
description/utils/generate_episode_instructions.py.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from training.episodes.episode import Episode
from training.episodes.files import absolute
from training.episodes.hdf5 import open_hdf5
from training.episodes.hdf5_frames import camera_frames
from training.episodes.hdf5_tree import Hdf5Tree
from training.episodes.instructions import phrasings_in_file
from training.episodes.reader import Listing, Reader, SourceOptions, attempt
from training.episodes.robotwin_clock import STEP_DURATION

DEFAULT_CAMERA = "head_camera"

_TREE = Hdf5Tree(re.compile(r"episode(0|[1-9]\d{0,8})\.hdf5", re.ASCII))


def list_episodes(path: Path, options: SourceOptions) -> Listing:
    """Lists the episodes; `options.camera` is a key under `observation`.

    An episode is unusable if its file is damaged or lacks the camera, or its instructions are missing or malformed.

    Raises:
        EpisodeError: several task configurations of one task.
    """
    entries = [
        attempt(task, number, partial(_open_episode, task, number, file, options))
        for task, number, file in _TREE.episodes(path)
    ]
    return Listing(options.camera or DEFAULT_CAMERA, entries, options.channel_order)


READER = Reader("{task}/{task_config}/data/episode0.hdf5", _TREE.contains_any, list_episodes)


def _open_episode(task: str, number: int, file: Path, options: SourceOptions) -> Episode:
    with open_hdf5(file) as root:
        camera = options.camera or DEFAULT_CAMERA
        frames = camera_frames(root, file, "observation/{}/rgb", camera, options.channel_order)
    instructions = absolute(file).parent.parent / "instructions" / f"episode{number}.json"
    seen, unseen = options.phrasings(task) or phrasings_in_file(instructions)
    return Episode(task, number, frames, STEP_DURATION, seen, unseen, file)
