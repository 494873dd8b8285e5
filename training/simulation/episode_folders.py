"""What lies beside the frames of simulated episodes: their records, failed seeds, options, and `scene_info.json`.

Of a task's folder, `{task}_D435_pkl`. Needs no MuJoCo.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framepred_ros.files import write_text

CAMERA_TYPE = "D435"


@dataclass(frozen=True, kw_only=True)
class EpisodeRecord:
    """What `scene_info.json` keeps of an episode; `look` is the one it has, also of a mixture."""

    seed: int
    frames: int
    randomized: bool
    instructions: dict[str, list[str]]
    info: dict[str, str]
    look: str = "plain"


def task_folder(root: Path, task: str) -> Path:
    """RoboTwin 1.0's folder of a task's episodes."""
    return root / f"{task}_{CAMERA_TYPE}_pkl"


def finished_episodes(folder: Path, kind: type[EpisodeRecord] = EpisodeRecord) -> list[tuple[Path, EpisodeRecord]]:
    """The finished episodes of a task, each with its record, which is of this kind."""
    paths = [path for path in folder.glob("*/record.json") if not path.parent.name.endswith(".partial")]
    return [(path.parent, kind(**json.loads(path.read_text()))) for path in paths]


def number_in_order_of_seeds(folder: Path, kind: type[EpisodeRecord] = EpisodeRecord) -> None:
    """Name the episode folders `episode{i}` in the order of their seeds and write RoboTwin's `scene_info.json`.

    A number that an earlier call gave changes where a seed below it has come since.
    """
    found = sorted(finished_episodes(folder, kind), key=lambda each: each[1].seed)
    targets = [folder / f"episode{number}" for number in range(len(found))]
    moving = [
        (source, folder / f"seed{record.seed}", target)
        for (source, record), target in zip(found, targets, strict=True)
        if source != target
    ]
    for source, between, _ in moving:  # out of each other's way
        source.rename(between)
    for _, between, target in moving:
        between.rename(target)
    write_json(folder / "scene_info.json", {str(i): record.__dict__ for i, (_, record) in enumerate(found)})


def failed_seeds(folder: Path) -> dict[str, Any]:
    """What `seeds.json` says: `{"failed": [seed, ...]}`, for scenes also what was tried in them."""
    journal = folder / "seeds.json"
    return json.loads(journal.read_text()) if journal.exists() else {"failed": []}


def check_options(folder: Path, options: dict[str, Any]) -> None:
    """Write `options.json`, or raise ValueError where the folder was made with others."""
    path = folder / "options.json"
    if not path.exists():
        write_json(path, options)
    elif (found := json.loads(path.read_text())) != options:
        raise ValueError(f"{folder} was made with {found}, not {options}; choose another --out or the same options")


def write_json(path: Path, content: dict) -> None:
    """Write a JSON file, whole or not at all, and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(content, indent=1))
