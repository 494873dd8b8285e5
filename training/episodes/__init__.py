"""Readers of robot episodes, one module per format; each yields the same `Episode`."""

from training.episodes.episode import Episode, EpisodeError, FrameSource
from training.episodes.reader import Reader, SourceOptions
from training.episodes.source import FORMATS, Source, detect_format, open_source

__all__ = [
    "FORMATS",
    "Episode",
    "EpisodeError",
    "FrameSource",
    "Reader",
    "Source",
    "SourceOptions",
    "detect_format",
    "open_source",
]
