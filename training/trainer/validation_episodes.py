"""Which training episodes are kept for validation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from training.dataset.index import DatasetManifest, EpisodeRecord, Row
from training.dataset.pairs import EpisodeKey, SplitUnit, draw, split_unit


def choose_validation_episodes(
    rows: Sequence[Row], manifest: DatasetManifest, per_task: int, share: float | None = None
) -> set[EpisodeKey]:
    """Chooses `per_task` episodes of each task among those of the rows, from each source of the dataset.

    With a `share`, it is this share of them where that is more.

    The choice follows from a hash of task and number, so that it is spread over what was recorded early and late.
    Sources that are for training only (`--train-only`) give none: what is to be predicted is what the others show.
    Sources with no more than `per_task` episodes of a task give theirs together, and only where no larger one does, as
    where every episode is a source of its own. Scenes and groups are kept as a whole, so that it may be a few more.

    Raises ValueError if a task would keep no episode to train on, or if all sources are for training only.
    """
    by_task = defaultdict(set)
    for row in rows:
        by_task[row.task].add(row.episode)
    records = {(record.task, record.number): record for record in manifest.episodes}
    chosen: set[EpisodeKey] = set()
    for task, numbers in by_task.items():
        # Rows without a record in the manifest are told apart by their numbers alone.
        episodes = [records.get((task, number)) or _unknown(task, number) for number in sorted(numbers)]
        chosen |= _of_task(task, episodes, manifest, per_task, share or 0.0)
    if not chosen:
        raise ValueError(
            "no episode is left for validation: all sources of the dataset are for training only (--train-only); "
            "build it with a source that is not"
        )
    return chosen


def last_episodes(rows: Iterable[Row], per_task: int) -> set[EpisodeKey]:
    """The last `per_task` episodes of each task: the choice of runs whose states do not name their episodes."""
    by_task = defaultdict(set)
    for row in rows:
        by_task[row.task].add(row.episode)
    return {(task, number) for task, numbers in by_task.items() for number in sorted(numbers)[-per_task:]}


def hold_out(rows: Sequence[Row], episodes: Collection[EpisodeKey]) -> tuple[list[Row], list[Row]]:
    """The rows of all other episodes, and those of these episodes."""
    kept, held_out = [], []
    for row in rows:
        (held_out if (row.task, row.episode) in episodes else kept).append(row)
    return kept, held_out


def _of_task(
    task: str, episodes: Sequence[EpisodeRecord], manifest: DatasetManifest, per_task: int, share: float
) -> set[EpisodeKey]:
    """The chosen episodes of a task; see `choose_validation_episodes`."""
    by_source = defaultdict(list)
    for record in episodes:
        if not _is_train_only(manifest, record.source):
            by_source[record.source].append(record)
    if not by_source:
        return set()
    large = [of_source for of_source in by_source.values() if len(of_source) > per_task]
    pools = large or [[record for of_source in by_source.values() for record in of_source]]
    chosen = {key for pool in pools for key in _first(pool, max(per_task, round(share * len(pool))), manifest.seed)}
    count = sum(map(len, by_source.values()))
    if len(chosen) == count:
        raise ValueError(
            f"{task} has {count} training episodes, of which validation.episodes_per_task={per_task} would leave none "
            "to train on"
        )
    return chosen


def _first(pool: Iterable[EpisodeRecord], count: int, seed: int) -> set[EpisodeKey]:
    """At least `count` episodes of the pool in the order of their units' draws, all of a unit."""
    units: dict[SplitUnit, list[EpisodeKey]] = defaultdict(list)
    for record in pool:
        scene = None if record.scene is None else record.scene.number
        units[split_unit(record.task, record.number, scene, record.group)].append((record.task, record.number))
    chosen: set[EpisodeKey] = set()
    for unit in sorted(units, key=lambda unit: draw(seed, "validation", *unit)):
        if len(chosen) >= count:
            break
        chosen.update(units[unit])
    return chosen


def _is_train_only(manifest: DatasetManifest, source: int) -> bool:
    return source < len(manifest.source) and manifest.source[source].get("split") == "train"


def _unknown(task: str, number: int) -> EpisodeRecord:
    return EpisodeRecord(task, number, "train", 0, 0, "", (), ())
