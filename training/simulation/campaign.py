"""Many episodes: which seeds make which episodes, resumed after a stop, on several processes.

Seeds are tried in order from `first_seed`; a seed whose episode fails is skipped. Episodes are numbered in the order of
their seeds, so the result does not depend on the number of workers or on interruptions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from training.simulation.episode_folders import (
    EpisodeRecord,
    check_options,
    failed_seeds,
    finished_episodes,
    number_in_order_of_seeds,
    task_folder,
    write_json,
)
from training.simulation.episode_writer import simulate_episode
from training.simulation.instructions import task_instructions
from training.simulation.scene_numbering import finished_scenes, number_episodes
from training.simulation.scene_success import success_rates
from training.simulation.scene_writer import SceneSummary, simulate_scene
from training.simulation.seeds import SeedProgress, try_seeds
from training.simulation.table import TASK_NAME as TABLE_SCENES


@dataclass
class TaskProgress(SeedProgress):
    """Episodes (or scenes) of one task so far: records by seed, and seeds that failed, with what was tried there."""

    def success(self) -> dict[str, dict[str, int]]:
        """`success_rates` of all scenes; empty for tasks, which have one instruction each."""
        scenes = [*self.records.values(), *self.failed.values()]
        return success_rates(scene for scene in scenes if isinstance(scene, SceneSummary))


def run_campaign(
    root: Path,
    tasks: list[str],
    episodes: int,
    first_seed: int,
    workers: int,
    look: str,
    on_episode: Callable[[str, int, EpisodeRecord | SceneSummary | None], None],
    remove_block_at: float | None = None,
    held_out: bool = False,
) -> dict[str, TaskProgress]:
    """Simulate until every task has `episodes` successful episodes under `root`.

    For `table_scenes`, `episodes` counts scenes, each of which gives several episodes. `on_episode(task, seed, record)`
    is called after each seed, with None for a failed one. `look` and `remove_block_at` are those of
    `simulate_episode`, `held_out` is that of `simulate_scene`.

    Raises:
        RuntimeError: a task fails `MAX_FAILURES_IN_A_ROW` seeds in a row.
        ValueError: `root` holds episodes made with other options.
    """
    options = {"look": look}
    if remove_block_at is not None:
        options["remove_block_at"] = remove_block_at
    if held_out:
        options["held_out"] = True
    for task in tasks:
        _check_options(task_folder(root, task), {"first_seed": first_seed, "randomize": look != "plain", **options})
        if task != TABLE_SCENES:  # whose episodes have instructions of their own
            write_json(root / "instructions" / f"{task}.json", task_instructions(task))
    progress = {task: _load_progress(task_folder(root, task)) for task in tasks}

    def work(task: str, seed: int) -> Callable:
        simulate = partial(simulate_scene, seed) if task == TABLE_SCENES else partial(simulate_episode, task, seed)
        return partial(simulate, task_folder(root, task) / f"seed{seed}", **options)

    for task, seed, record in try_seeds(progress, episodes, first_seed, workers, work):
        _note(task_folder(root, task), progress[task], seed, record)
        on_episode(task, seed, progress[task].records.get(seed))
    for task in tasks:
        _number(task_folder(root, task))
        if rates := progress[task].success():
            write_json(task_folder(root, task) / "success.json", rates)
    return progress


def _load_progress(folder: Path) -> TaskProgress:
    progress = TaskProgress()
    content = failed_seeds(folder)
    tries = content.get("tries", {})
    progress.failed = {seed: _failed(seed, tries.get(str(seed))) for seed in content["failed"]}
    if folder == task_folder(folder.parent, TABLE_SCENES):
        progress.records = finished_scenes(folder)
    else:
        progress.records = {record.seed: record for _, record in finished_episodes(folder)}
    return progress


def _failed(seed: int, tries: list | None) -> SceneSummary | None:
    return None if tries is None else SceneSummary(seed, (), tuple(map(tuple, tries)))


def _note(folder: Path, progress: TaskProgress, seed: int, record: EpisodeRecord | SceneSummary | None) -> None:
    if record is not None and (isinstance(record, EpisodeRecord) or record.episodes):
        progress.records[seed] = record
        return
    progress.failed[seed] = record
    content = {"failed": sorted(progress.failed)}
    tries = {str(failed): scene.tries for failed, scene in sorted(progress.failed.items()) if scene is not None}
    write_json(folder / "seeds.json", {**content, **({"tries": tries} if tries else {})})


def _number(folder: Path) -> None:
    """Name the episode folders `episode{i}` and write RoboTwin's `scene_info.json`."""
    if folder == task_folder(folder.parent, TABLE_SCENES):
        write_json(folder / "scene_info.json", number_episodes(folder))
    else:
        number_in_order_of_seeds(folder)


def _check_options(folder: Path, options: dict) -> None:
    """As `check_options`; the plain look goes without saying, as it did before there were others."""
    check_options(folder, {key: value for key, value in options.items() if (key, value) != ("look", "plain")})
