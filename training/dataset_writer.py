"""Turn episodes into a dataset folder: frames stored once each, pairs per split, all published in one step.

Work happens in a hidden folder beside the destination and reaches it by renaming, so that whatever interrupts the
build, the destination either does not exist, or is the previous dataset, or is the finished one. Episodes that an
interrupted build had finished are found there again. The layout is described in `training.dataset_index`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from training.dataset_index import (
    FORMAT_VERSION,
    MANIFEST_NAME,
    METADATA_NAME,
    DatasetError,
    DatasetManifest,
    EpisodeRecord,
    load_manifest,
)
from training.dataset_plan import DatasetOptions, DatasetPlan, episode_key
from training.episodes import Episode
from training.pairs import EpisodeKey, choose_phrasing, pair_starts, used_frames
from training.stored_frames import StoredEpisode, frame_name, store_episodes

_SETTINGS = "settings.json"

OnEpisode = Callable[[Episode], None]


@dataclass(frozen=True)
class BuildResult:
    """The dataset's manifest, and how many episodes were converted now, kept from the former dataset, or resumed."""

    manifest: DatasetManifest
    converted: int
    kept: int
    resumed: int


def build_dataset(
    episodes: Iterable[Episode],
    out: str | Path,
    options: DatasetOptions,
    source: dict[str, str],
    workers: int = 1,
    on_episode: OnEpisode = lambda episode: None,
) -> BuildResult:
    """Builds the dataset of the given episodes at `out`, or adds to it the episodes that it lacks.

    Args:
        episodes: of any number of tasks, each with its own number within the task.
        out: the dataset folder; it must not exist, be empty, or be a dataset made with the same options and source.
        options: see `DatasetOptions`.
        source: what the manifest says of the source, such as {"format": "robotwin1", "camera": "head_camera"}.
        workers: processes that convert episodes.
        on_episode: called after each episode, for progress.

    Raises:
        EpisodeError: a frame is unreadable. `out` is as it was; finished episodes are kept for the next run.
        DatasetError: `out` is something else, another build is writing it, or the episodes do not fit together.
    """
    out = Path(out).absolute()
    plan = DatasetPlan(episodes, options, source)
    with _work_folder(out) as work:
        existing = _existing_manifest(out, plan)
        kept = _kept_episodes(existing, plan, out)
        resumed = _resumed_episodes(work, plan, kept)
        stored = kept | resumed
        _report_done(plan, stored, on_episode)
        converted = _convert(work, plan, stored, workers, on_episode)
        manifest = plan.manifest(stored | converted)
        if manifest != existing:
            _assemble(manifest, stored | converted, work / "dataset")
            _publish(work / "dataset", out)
    return BuildResult(manifest, len(converted), len(kept), len(resumed))


@contextmanager
def _work_folder(out: Path) -> Iterator[Path]:
    """The hidden folder beside `out`, held by one build at a time; stays only if it holds finished episodes."""
    work = _beside(out, "building")
    work.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(work / "lock", timeout=0):
            _finish_swap(out)
            try:
                yield work
            except BaseException:
                if not (work / "frames").exists():
                    shutil.rmtree(work)
                raise
            shutil.rmtree(work)
    except Timeout:
        raise DatasetError(f"{out}: another build is writing this dataset") from None


def _beside(out: Path, role: str) -> Path:
    return out.parent / f".{out.name}.{role}"


def _existing_manifest(out: Path, plan: DatasetPlan) -> DatasetManifest | None:
    """The manifest of the dataset at `out`, None if there is nothing. Refuses anything that must not be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not (out / MANIFEST_NAME).is_file():
        raise DatasetError(f"{out}: exists and is not a dataset of ours (no {MANIFEST_NAME}); choose another folder")
    manifest = load_manifest(out)
    asked = {**asdict(plan.options), "source": plan.source}
    differences = [
        f"{name} is {getattr(manifest, name)!r} there, {value!r} was asked"
        for name, value in asked.items()
        if getattr(manifest, name) != value
    ]
    if differences:
        raise DatasetError(f"{out}: a dataset with other options ({'; '.join(differences)}); choose another folder")
    lost = sorted({episode_key(e) for e in manifest.episodes} - {episode_key(e) for e in plan.usable})
    if lost:
        task, number = lost[0]
        missing = f"{len(lost)} episodes that the source lacks, {task} episode {number} first"
        raise DatasetError(f"{out}: holds {missing}; choose another folder")
    return manifest


def _kept_episodes(existing: DatasetManifest | None, plan: DatasetPlan, out: Path) -> dict[EpisodeKey, StoredEpisode]:
    """Episodes that the existing dataset holds in the same form as the source."""
    kept = {}
    records = {episode_key(record): record for record in existing.episodes} if existing else {}
    for episode in plan.usable:
        key = episode_key(episode)
        record = records.get(key)
        if record and (record.frames, record.fingerprint) == (len(episode), episode.frames.fingerprint()):
            kept[key] = StoredEpisode(*key, out / record.split / record.task, existing.image_size, record.fingerprint)
    return kept


def _resumed_episodes(work: Path, plan: DatasetPlan, kept: dict) -> dict[EpisodeKey, StoredEpisode]:
    """Episodes that an interrupted build with the same settings had finished."""
    settings = json.dumps({**asdict(plan.options), "source": plan.source, "version": FORMAT_VERSION}, sort_keys=True)
    if not (work / _SETTINGS).is_file() or (work / _SETTINGS).read_text() != settings:
        shutil.rmtree(work / "frames", ignore_errors=True)
        (work / _SETTINGS).write_text(settings)
    resumed = {}
    for episode in plan.usable:
        done = StoredEpisode.load(_episode_folder(work, episode)) if episode_key(episode) not in kept else None
        if done and done.fingerprint == episode.frames.fingerprint():
            resumed[episode_key(episode)] = done
    return resumed


def _episode_folder(work: Path, episode: Episode) -> Path:
    return work / "frames" / episode.task / f"episode{episode.number}"


def _report_done(plan: DatasetPlan, stored: dict[EpisodeKey, StoredEpisode], on_episode: OnEpisode) -> None:
    for episode in plan.usable:
        if episode_key(episode) in stored:
            on_episode(episode)


def _convert(
    work: Path, plan: DatasetPlan, stored: dict[EpisodeKey, StoredEpisode], workers: int, on_episode: OnEpisode
) -> dict[EpisodeKey, StoredEpisode]:
    """Stores the frames of all episodes that are not stored yet."""
    jobs = [
        (episode, _episode_folder(work, episode), plan.frame_indices(episode), plan.options.jpeg_quality)
        for episode in plan.usable
        if episode_key(episode) not in stored
    ]
    converted = {}
    for episode, result in store_episodes(jobs, workers):
        converted[episode_key(episode)] = result
        on_episode(episode)
    return converted


def _assemble(manifest: DatasetManifest, stored: dict[EpisodeKey, StoredEpisode], target: Path) -> None:
    """Lays the dataset out in the new folder `target`; frames are linked, not copied, where the file system can."""
    shutil.rmtree(target, ignore_errors=True)
    lines = defaultdict(list)
    for record in manifest.episodes:
        folder = target / record.split / record.task
        folder.mkdir(parents=True, exist_ok=True)
        starts = pair_starts(record.frames, manifest.horizon, manifest.stride)
        for index in used_frames(starts, manifest.horizon):
            name = frame_name(record.number, index)
            _link(stored[episode_key(record)].folder / name, folder / name)
        lines[record.split].extend(_metadata_line(record, start, manifest) for start in starts)
    for split, rows in lines.items():
        (target / split / METADATA_NAME).write_text("".join(rows), encoding="utf-8")
    (target / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")


def _metadata_line(record: EpisodeRecord, start: int, manifest: DatasetManifest) -> str:
    """One line of metadata.jsonl. ImageFolder turns the keys ending in `_file_name` into columns of decoded images."""
    phrasing = "unseen" if record.split == "test" and record.unseen else "seen"
    sentences = record.unseen if phrasing == "unseen" else record.seen
    row = {
        "input_image_file_name": f"{record.task}/{frame_name(record.number, start)}",
        "edit_prompt": choose_phrasing(sentences, manifest.seed, record.task, record.number, start),
        "edited_image_file_name": f"{record.task}/{frame_name(record.number, start + manifest.horizon)}",
        "task": record.task,
        "episode": record.number,
        "frame": start,
        "phrasing": phrasing,
    }
    return json.dumps(row, ensure_ascii=False) + "\n"


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _publish(dataset: Path, out: Path) -> None:
    """Puts the finished folder at `out`, in place of the former dataset if there is one."""
    if out.exists() and any(out.iterdir()):
        os.rename(out, _beside(out, "old"))
    os.rename(dataset, out)
    _finish_swap(out)


def _finish_swap(out: Path) -> None:
    """Completes or undoes a replacement that was interrupted between its two renames."""
    old = _beside(out, "old")
    if old.exists() and not out.exists():
        os.rename(old, out)
    shutil.rmtree(old, ignore_errors=True)
