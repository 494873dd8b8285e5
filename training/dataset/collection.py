"""All episodes of all sources under one numbering."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from training.dataset.index import BadEpisode
from training.dataset.pairs import EpisodeKey
from training.episodes import Episode, EpisodeError, Source, SourceOptions, open_source

# Added once per source to the numbers of episodes whose task an earlier source has too. Fixed, so that a source that
# grows changes no number in the next one.
NUMBERS_PER_SOURCE = 1_000_000


@dataclass(frozen=True)
class EpisodeCollection:
    """The episodes of several sources.

    Attributes:
        sources: as opened, by index.
        episodes: of all sources; task and number name one.
        origins: per episode the index of its source and its number there.
        train_only: the indices of sources whose episodes are all for training.
    """

    sources: tuple[Source, ...]
    episodes: tuple[Episode, ...]
    origins: dict[EpisodeKey, tuple[int, int]]
    train_only: frozenset[int] = frozenset()

    @property
    def bad(self) -> tuple[BadEpisode, ...]:
        """What listing found unusable."""
        return tuple(
            self.describe_bad(error, index) for index, source in enumerate(self.sources) for error in source.bad
        )

    def describe_bad(self, error: EpisodeError, source: int) -> BadEpisode:
        """The manifest's record of an error in a source; says nothing of where the source lies on this machine."""
        root = self.sources[source].path
        inside = error.path.is_relative_to(root) and error.path != root
        return BadEpisode(source, str(error.path.relative_to(root) if inside else error.path.name), error.reason)

    def describe_sources(self) -> tuple[dict[str, str], ...]:
        """The manifest's record of the sources."""
        return tuple(
            {"format": source.format, "camera": source.camera, "name": source.path.resolve().name}
            | ({"split": "train"} if index in self.train_only else {})
            for index, source in enumerate(self.sources)
        )


def collect(
    paths: Sequence[str | Path],
    options: SourceOptions | None = None,
    format_name: str | None = None,
    train_only: Collection[str | Path] = (),
) -> EpisodeCollection:
    """Lists the episodes at the paths, each path in its own format unless `format_name` says which.

    Args:
        train_only: those of the paths whose episodes are all for training.

    Raises:
        EpisodeError: a path cannot be read as a source.
        ValueError: one of `train_only` is none of the paths.
    """
    resolved = [Path(path).resolve() for path in paths]
    for path in train_only:
        if Path(path).resolve() not in resolved:
            raise ValueError(f"--train-only {path}: is none of the sources; name it among them too")
    only = {Path(path).resolve() for path in train_only}
    sources = [open_source(path, options, format_name) for path in paths]
    episodes: list[Episode] = []
    origins: dict[EpisodeKey, tuple[int, int]] = {}
    tasks: set[str] = set()
    for index, source in enumerate(sources):
        for episode in source.episodes:
            offset = index * NUMBERS_PER_SOURCE if episode.task in tasks else 0
            number, scene = episode.number + offset, episode.scene and episode.scene.renumbered(offset)
            episodes.append(replace(episode, number=number, scene=scene))
            origins[episode.task, number] = (index, episode.number)
        tasks.update(episode.task for episode in source.episodes)
    marked = frozenset(index for index, path in enumerate(resolved) if path in only)
    return EpisodeCollection(tuple(sources), tuple(episodes), origins, marked)
