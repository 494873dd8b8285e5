"""Turn episodes into a dataset folder: frames stored once each, pairs per split, all published in one step.

Work happens in a hidden folder beside the destination and reaches it by renaming, so that whatever interrupts the
build, the destination either does not exist, or is the previous dataset, or is the finished one. Episodes that an
interrupted build had finished are found there again. The layout is described in `training.dataset.index`.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from filelock import FileLock, Timeout

from framepred_ros.files import finish_replacement, replace_folder
from training.dataset.assembly import assemble
from training.dataset.collection import EpisodeCollection
from training.dataset.index import BadEpisode, DatasetError, DatasetManifest, load_manifest
from training.dataset.options import DatasetOptions
from training.dataset.pairs import EpisodeKey
from training.dataset.plan import DatasetPlan, episode_key, episode_size
from training.dataset.selection import Selection
from training.dataset.stored_frames import StoredEpisode, StoreJob
from training.dataset.workers import Runner, run_here
from training.episodes import Episode


@dataclass(frozen=True)
class BuildOptions:
    """How the work is done. None of this changes the rows.

    Attributes:
        skip_bad: leave unreadable episodes out instead of stopping; not those that the existing dataset has.
        embed: forms in which the rows are also stored with their pictures, of `options.EMBEDDED_FORMS`.
        runner: runs the per-episode function.
        on_episode: called after each episode, for progress.
    """

    skip_bad: bool = False
    embed: tuple[str, ...] = ()
    runner: Runner = run_here
    on_episode: Callable[[Episode], None] = lambda episode: None


@dataclass(frozen=True)
class BuildResult:
    """The dataset's manifest, and how many episodes were converted now, resumed, or kept from the former dataset."""

    manifest: DatasetManifest
    converted: int
    resumed: int
    kept: int


def build_dataset(
    collection: EpisodeCollection, out: str | Path, options: DatasetOptions, build: BuildOptions | None = None
) -> BuildResult:
    """Builds the dataset of the given episodes at `out`, or adds to it the episodes that it lacks.

    Args:
        collection: the episodes.
        out: the dataset folder; it must not exist, be empty, or be a dataset made with the same options from the same
            sources, to which more may have been appended.
        options: what it consists of.
        build: how.

    Raises:
        EpisodeError: an episode is unreadable. `out` is as it was; finished episodes are kept for the next run.
        DatasetError: `out` is something else, another build is writing it, or the episodes do not fit together.
    """
    out, build = Path(out).absolute(), build or BuildOptions()
    unreadable = [error for source in collection.sources for error in source.bad]
    if unreadable and not build.skip_bad:
        raise unreadable[0]
    plan = DatasetPlan(collection, options)
    with _work_folder(out) as work:
        existing = _existing_manifest(out, plan)
        if existing:
            plan.known_splits = {episode_key(record): record.split for record in existing.episodes}
        store = _Store(plan, work, _published(existing, out), build)
        selection = store.fill()
        manifest = plan.manifest(selection, store.stored, store.bad, build.embed)
        if manifest != existing:
            assemble(manifest, selection, store.stored, work / "dataset")
            replace_folder(work / "dataset", out)
    origins = Counter(episode.origin for episode in store.stored.values())
    return BuildResult(manifest, origins["converted"], origins["resumed"], origins["kept"])


class _Store:
    """The episodes' frames as files.

    Attributes:
        stored: the stored form of episodes, in the work folder or as published.
        bad: episodes that cannot be read.
    """

    def __init__(self, plan: DatasetPlan, work: Path, published: dict[EpisodeKey, StoredEpisode], build: BuildOptions):
        self._plan, self._work, self._published, self._build = plan, work, published, build
        keys = ("format", "camera", "channel_order")
        sources = plan.collection.describe_sources()
        self._sources = [{key: source[key] for key in keys if key in source} for source in sources]
        self.stored: dict[EpisodeKey, StoredEpisode] = {}
        self.bad: dict[EpisodeKey, BadEpisode] = {}

    def fill(self) -> Selection:
        """Stores all frames of all selected pairs. Returns the selection, which bad episodes may change on the way."""
        selection = self._plan.select()
        while lacking := self._lacking(selection):
            self._store(lacking, selection)
            selection = self._plan.select(self.bad)
        return selection

    def _lacking(self, selection: Selection) -> list[Episode]:
        """The episodes of which frames of selected pairs are not stored."""

        def is_stored(episode: Episode) -> bool:
            frames, stored = selection.frames(episode_size(episode)), self.stored.get(episode_key(episode))
            return not frames or (stored is not None and stored.has(frames))

        return [episode for episode in self._plan.readable(self.bad) if not is_stored(episode)]

    def _store(self, episodes: Iterable[Episode], selection: Selection) -> None:
        jobs = (self._job(episode, selection.frames(episode_size(episode))) for episode in episodes)
        with closing(self._build.runner(jobs)) as results:
            for job, result in results:
                key = episode_key(job.episode)
                if isinstance(result, StoredEpisode):
                    self.stored[key] = result
                elif self._build.skip_bad and key not in self._published:
                    self.bad[key] = self._plan.collection.describe_bad(result, self._source_of(key))
                else:
                    raise result
                self._build.on_episode(job.episode)

    def _job(self, episode: Episode, indices: list[int]) -> StoreJob:
        key = episode_key(episode)
        return StoreJob(
            episode=episode,
            source=self._sources[self._source_of(key)],
            indices=indices,
            jpeg_quality=self._plan.options.jpeg_quality,
            folder=self._work / "frames" / episode.task / f"episode{episode.number}",
            published=self._published.get(key),
        )

    def _source_of(self, key: EpisodeKey) -> int:
        return self._plan.collection.origins[key][0]


@contextmanager
def _work_folder(out: Path) -> Iterator[Path]:
    """The hidden folder beside `out`, held by one build at a time; stays only if it holds finished episodes."""
    work = out.parent / f".{out.name}.building"
    work.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(work / "lock", timeout=0):
            finish_replacement(out)
            try:
                yield work
            except BaseException:
                if not (work / "frames").exists():
                    shutil.rmtree(work)
                raise
            shutil.rmtree(work)
    except Timeout:
        raise DatasetError(f"{out}: another build is writing this dataset") from None


def _existing_manifest(out: Path, plan: DatasetPlan) -> DatasetManifest | None:
    """The manifest of the dataset at `out`, None if there is nothing. Refuses anything that must not be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        manifest = load_manifest(out)
    except DatasetError as error:
        raise DatasetError(f"{error}; nothing was changed, choose another folder") from error
    differences = [
        f"{name} is {there!r} there, {asked!r} was asked"
        for name, there, asked in _choices(manifest, plan)
        if there != asked
    ]
    if differences:
        raise DatasetError(f"{out}: a dataset with other options ({'; '.join(differences)}); choose another folder")
    lost = sorted({episode_key(e) for e in manifest.episodes} - {episode_key(e) for e in plan.usable})
    if lost:
        task, number = lost[0]
        missing = f"{len(lost)} episodes that the source lacks, {task} episode {number} first"
        raise DatasetError(f"{out}: holds {missing}; choose another folder")
    return manifest


def _choices(manifest: DatasetManifest, plan: DatasetPlan) -> Iterator[tuple[str, object, object]]:
    """Yields (name, there, asked) for all that must agree before episodes are added; sources may be appended."""
    for field in fields(DatasetOptions):
        yield field.name, getattr(manifest, field.name), getattr(plan.options, field.name)
    yield "step_duration", manifest.step_duration, plan.step_duration
    there, asked = manifest.source, plan.collection.describe_sources()
    for name in ("format", "camera"):
        yield f"source {name}", [s[name] for s in there], [s[name] for s in asked[: len(there)]]
    for name in ("split", "channel_order"):
        yield f"source {name}", [s.get(name) for s in there], [s.get(name) for s in asked[: len(there)]]


def _published(existing: DatasetManifest | None, out: Path) -> dict[EpisodeKey, StoredEpisode]:
    """The episodes of the existing dataset, by task and number."""
    return {
        episode_key(record): StoredEpisode(
            record.task,
            record.number,
            tuple(out / split / record.task for split in existing.splits),
            existing.image_size,
            record.checksum,
            "kept",
        )
        for record in (existing.episodes if existing else ())
    }
