"""From the folders of finished scenes to numbered episodes and `scene_info.json`.

Episodes are numbered in the order of their scenes' seeds, twins before branches; so neither the number of workers nor
interruptions change a number, and more scenes come after those that are there.
"""

from __future__ import annotations

import json
from pathlib import Path

from training.simulation.scene_writer import SceneSummary

_PRIVATE = ("place", "summary")


def finished_scenes(folder: Path) -> dict[int, SceneSummary]:
    """Summaries of all whole scenes in a task's folder, by seed."""
    return {record["seed"]: _summary(record["summary"]) for _, record in _records(folder)}


def number_episodes(folder: Path) -> dict[str, dict]:
    """Rename all finished episodes to `episode{i}`; returns `scene_info.json`'s content."""
    found = sorted(_records(folder), key=lambda each: (each[1]["seed"], each[1]["place"]))
    numbers = {(record["seed"], record["place"]): number for number, (_, record) in enumerate(found)}
    info = {}
    for number, (source, record) in enumerate(found):
        target = folder / f"episode{number}"
        if source != target:
            source.rename(target)
        scene = dict(record["scene"])
        if scene["branch_of"] is not None:
            scene["branch_of"] = numbers[record["seed"], scene["branch_of"]]
        info[str(number)] = {key: value for key, value in record.items() if key not in _PRIVATE} | {"scene": scene}
    for emptied in folder.glob("seed*"):
        if emptied.is_dir() and not any(emptied.iterdir()):
            emptied.rmdir()
    return info


def _records(folder: Path) -> list[tuple[Path, dict]]:
    """Every finished episode, still in its scene's folder or numbered already, with its record."""
    paths = [path for path in folder.glob("seed*/*/record.json") if not path.parent.parent.name.endswith(".partial")]
    paths += folder.glob("episode*/record.json")
    return [(path.parent, json.loads(path.read_text())) for path in paths]


def _summary(content: dict) -> SceneSummary:
    episodes, tries = (tuple(map(tuple, content[key])) for key in ("episodes", "tries"))
    return SceneSummary(content["seed"], episodes, tries)
