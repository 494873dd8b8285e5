"""Many episodes of Meta-World, resumed after a stop, as `training.simulation.campaign` makes our own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from training.metaworld.instructions import phrasings
from training.metaworld.recording import MetaworldRecord, record_episode
from training.simulation.episode_folders import (
    check_options,
    failed_seeds,
    finished_episodes,
    number_in_order_of_seeds,
    task_folder,
    write_json,
)
from training.simulation.seeds import SeedProgress, try_seeds
from training.simulation.stage.opengl import check_backend

INSTALL = "python -m venv .venv-metaworld && .venv-metaworld/bin/pip install -e '.[metaworld]'"


class NotInstalledError(RuntimeError):
    """Meta-World is not there; the text says how to install it."""


def record_tasks(
    root: Path,
    tasks: list[str],
    episodes: int,
    first_seed: int,
    workers: int,
    camera: str,
    on_episode: Callable[[str, int, MetaworldRecord | None], None],
) -> dict[str, SeedProgress]:
    """Record until every task has `episodes` successful episodes under `root`, in RoboTwin 1.0's layout.

    `on_episode(task, seed, record)` is called after each seed, with None for a failed one. `camera` is one of
    `recording.CAMERAS`.

    Raises:
        NotInstalledError: there is no Meta-World.
        RenderingError: there is no OpenGL library.
        RuntimeError: a task fails many seeds in a row (`try_seeds`).
        ValueError: `root` holds episodes made with other options, or by another version of Meta-World.
    """
    options = {"first_seed": first_seed, "camera": camera, "metaworld": _installed_version()}
    check_backend()
    for task in tasks:
        check_options(task_folder(root, task), options)
        lists = phrasings(task)
        write_json(root / "instructions" / f"{task}.json", {"instructions": lists["seen"], "unseen": lists["unseen"]})
    progress = {task: _load_progress(task_folder(root, task)) for task in tasks}

    def work(task: str, seed: int) -> Callable:
        return partial(record_episode, task, seed, task_folder(root, task) / f"seed{seed}", camera)

    for task, seed, record in try_seeds(progress, episodes, first_seed, workers, work):
        if record is None:
            progress[task].failed[seed] = None
            write_json(task_folder(root, task) / "seeds.json", {"failed": sorted(progress[task].failed)})
        else:
            progress[task].records[seed] = record
        on_episode(task, seed, record)
    for task in tasks:
        number_in_order_of_seeds(task_folder(root, task), MetaworldRecord)
    return progress


def _installed_version() -> str:
    try:
        return version("metaworld")
    except PackageNotFoundError:
        raise NotInstalledError(
            "Meta-World is not installed; it wants an environment of its own, since it pins another MuJoCo: "
            f"{INSTALL}, and then run this with .venv-metaworld/bin/python"
        ) from None


def _load_progress(folder: Path) -> SeedProgress:
    records = {record.seed: record for _, record in finished_episodes(folder, MetaworldRecord)}
    return SeedProgress(records, dict.fromkeys(failed_seeds(folder)["failed"]))
