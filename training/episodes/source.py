"""Sources of episodes: which format a path holds, and the episodes in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.episodes import bag, frame_folder, lerobot, pairs, robotwin, robotwin1, robotwin2
from training.episodes.episode import Episode, EpisodeError
from training.episodes.reader import Reader, SourceOptions

FORMATS: dict[str, Reader] = {
    "robotwin1": robotwin1.READER,
    "robotwin2": robotwin2.READER,
    "robotwin": robotwin.READER,
    "bag": bag.READER,
    "lerobot": lerobot.READER,
    "frames": frame_folder.READER,
    "pairs": pairs.READER,
}


@dataclass(frozen=True)
class Source:
    """An opened source.

    Attributes:
        path: as given.
        format: a key of `FORMATS`.
        camera: key or topic of the camera that is read.
        episodes: ordered by task and number; frames are not read yet.
        bad: episodes that listing has already found unusable.
        channel_order: of the pictures that do not say theirs, where the user chooses it; None elsewhere.
    """

    path: Path
    format: str
    camera: str
    episodes: tuple[Episode, ...]
    bad: tuple[EpisodeError, ...]
    channel_order: str | None = None


def detect_format(path: str | Path) -> str:
    """The format of the episodes at a path, a key of `FORMATS`.

    Raises:
        EpisodeError: nothing is there, or the files of no format, or those of several.
    """
    path = Path(path)
    if not path.exists():
        raise EpisodeError(path, "no such file or folder")
    found = [name for name, reader in FORMATS.items() if reader.recognises(path)]
    if not found:
        layouts = "; ".join(f"{name}: {reader.layout}" for name, reader in FORMATS.items())
        raise EpisodeError(path, f"no episodes of a known format; looked for {layouts}")
    if len(found) > 1:
        raise EpisodeError(path, f"episodes of several formats ({', '.join(found)}); choose one with --format")
    return found[0]


def open_source(path: str | Path, options: SourceOptions | None = None, format_name: str | None = None) -> Source:
    """Lists the episodes at a path.

    Args:
        path: a folder or file, at any level of the format's tree: everything recorded, one task, or one episode.
        options: see `SourceOptions`.
        format_name: a key of `FORMATS`; detected by default.

    Raises:
        EpisodeError: the path or its format is unknown, it holds no episodes, or none of them could be used.
        ValueError: there is no such format.
    """
    path = Path(path)
    if format_name is not None and format_name not in FORMATS:
        raise ValueError(f"no format {format_name!r}; there are {', '.join(FORMATS)}")
    name = format_name or detect_format(path)
    if not path.exists():
        raise EpisodeError(path, "no such file or folder")
    listing = FORMATS[name].list_episodes(path, options or SourceOptions())
    entries = list(listing.entries)
    if not entries:
        raise EpisodeError(path, f"no episodes; expected {FORMATS[name].layout}")
    episodes = [entry for entry in entries if isinstance(entry, Episode)]
    return Source(
        path=path,
        format=name,
        camera=listing.camera,
        episodes=tuple(sorted(episodes, key=lambda episode: (episode.task, episode.number))),
        bad=tuple(entry for entry in entries if isinstance(entry, EpisodeError)),
        channel_order=listing.channel_order,
    )
