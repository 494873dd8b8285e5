"""The episodes that ship with the package, as what benchmarks run on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framepred_ros.replay.episode_bag import BagFrame, EpisodeBag, episodes_by_task


@dataclass(frozen=True)
class ShippedEpisode:
    """A held-out episode: its task, its instruction and its frames, RGB uint8 (240, 320, 3)."""

    task: str
    instruction: str
    frames: list[np.ndarray]


def shipped_episodes() -> list[ShippedEpisode]:
    """One episode per task."""
    episodes = []
    for task, bag in episodes_by_task().items():
        items = list(EpisodeBag(bag).read())
        frames = [item.rgb for item in items if isinstance(item, BagFrame)]
        instruction = next(item.text for item in items if not isinstance(item, BagFrame))
        episodes.append(ShippedEpisode(task, instruction, frames))
    return episodes
