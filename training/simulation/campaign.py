"""Many episodes: which seeds make which episodes, resumed after a stop, on several processes.

Seeds are tried in order from `first_seed`; a seed whose episode fails is skipped. Episodes are numbered in the order of
their seeds, so the result does not depend on the number of workers or on interruptions.
"""

import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from framepred_ros.files import write_text
from framepred_ros.workers import begin_worker
from training.simulation.episode_writer import EpisodeRecord, simulate_episode, task_folder
from training.simulation.instructions import task_instructions
from training.simulation.scene_numbering import finished_scenes, number_episodes
from training.simulation.scene_success import success_rates
from training.simulation.scene_writer import SceneSummary, simulate_scene
from training.simulation.table import TASK_NAME as TABLE_SCENES

MAX_FAILURES_IN_A_ROW = 50


@dataclass
class TaskProgress:
    """Episodes (or scenes) of one task so far: records by seed, and seeds that failed, with what was tried there."""

    records: dict[int, EpisodeRecord | SceneSummary] = field(default_factory=dict)
    failed: dict[int, SceneSummary | None] = field(default_factory=dict)

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
            _write_json(root / "instructions" / f"{task}.json", task_instructions(task))
    # A fresh interpreter per worker: OpenGL contexts do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker) as pool:
        progress = {task: _load_progress(task_folder(root, task)) for task in tasks}
        running = {}
        try:
            while True:
                for task in tasks:
                    _submit(pool, running, root, task, progress[task], episodes, first_seed, workers, options)
                if not running:
                    break
                future = next(as_completed(running))
                task, seed = running.pop(future)
                record = future.result()
                _note(task_folder(root, task), progress[task], seed, record)
                on_episode(task, seed, progress[task].records.get(seed))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # Ctrl+C: what is being made is finished, no more is begun
            raise
    for task in tasks:
        _number(task_folder(root, task))
        if rates := progress[task].success():
            _write_json(task_folder(root, task) / "success.json", rates)
    return progress


def _start_worker() -> None:
    os.environ["LP_NUM_THREADS"] = "1"  # software OpenGL: one thread per worker instead of all cores for each
    begin_worker()


def _submit(
    pool,
    running: dict,
    root: Path,
    task: str,
    progress: TaskProgress,
    episodes: int,
    first_seed: int,
    workers: int,
    options: dict,
) -> None:
    """Keep the pool fed with the next seeds of `task`, never more than could still be needed."""
    mine = {seed for name, seed in running.values() if name == task}
    seed = first_seed
    while len(running) < workers * 2 and len(progress.records) + len(mine) < episodes:
        while seed in progress.records or seed in progress.failed or seed in mine:
            seed += 1
        if _failures_in_a_row(progress, seed) >= MAX_FAILURES_IN_A_ROW:
            raise RuntimeError(f"{task}: {MAX_FAILURES_IN_A_ROW} seeds in a row failed before seed {seed}")
        folder = task_folder(root, task) / f"seed{seed}"
        work = partial(simulate_scene, seed) if task == TABLE_SCENES else partial(simulate_episode, task, seed)
        running[pool.submit(work, folder, **options)] = (task, seed)
        mine.add(seed)


def _failures_in_a_row(progress: TaskProgress, seed: int) -> int:
    count = 0
    while seed - 1 - count in progress.failed:
        count += 1
    return count


def _load_progress(folder: Path) -> TaskProgress:
    progress = TaskProgress()
    journal = folder / "seeds.json"
    if journal.exists():
        content = json.loads(journal.read_text())
        tries = content.get("tries", {})
        progress.failed = {seed: _failed(seed, tries.get(str(seed))) for seed in content["failed"]}
    if folder == task_folder(folder.parent, TABLE_SCENES):
        progress.records = finished_scenes(folder)
    else:
        progress.records = {record.seed: record for _, record in _finished_episodes(folder)}
    return progress


def _failed(seed: int, tries: list | None) -> SceneSummary | None:
    return None if tries is None else SceneSummary(seed, (), tuple(map(tuple, tries)))


def _finished_episodes(folder: Path) -> list[tuple[Path, EpisodeRecord]]:
    """The finished episodes of a task, each with its record."""
    paths = [path for path in folder.glob("*/record.json") if not path.parent.name.endswith(".partial")]
    return [(path.parent, EpisodeRecord(**json.loads(path.read_text()))) for path in paths]


def _note(folder: Path, progress: TaskProgress, seed: int, record: EpisodeRecord | SceneSummary | None) -> None:
    if record is not None and (isinstance(record, EpisodeRecord) or record.episodes):
        progress.records[seed] = record
        return
    progress.failed[seed] = record
    content = {"failed": sorted(progress.failed)}
    tries = {str(failed): scene.tries for failed, scene in sorted(progress.failed.items()) if scene is not None}
    _write_json(folder / "seeds.json", {**content, **({"tries": tries} if tries else {})})


def _number(folder: Path) -> None:
    """Name the episode folders `episode{i}` in the order of their seeds and write RoboTwin's `scene_info.json`."""
    if folder == task_folder(folder.parent, TABLE_SCENES):
        return _write_json(folder / "scene_info.json", number_episodes(folder))
    scene_info = {}
    for number, (source, record) in enumerate(sorted(_finished_episodes(folder), key=lambda each: each[1].seed)):
        target = folder / f"episode{number}"
        if source != target:
            source.rename(target)
        scene_info[str(number)] = record.__dict__
    _write_json(folder / "scene_info.json", scene_info)


def _check_options(folder: Path, options: dict) -> None:
    """Write the options, or raise ValueError where the folder was made with others."""
    path = folder / "options.json"
    options = {key: value for key, value in options.items() if (key, value) != ("look", "plain")}
    if not path.exists():
        _write_json(path, options)
    elif (found := json.loads(path.read_text())) != options:
        raise ValueError(f"{folder} was made with {found}, not {options}; choose another --out or the same options")


def _write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(content, indent=1))
