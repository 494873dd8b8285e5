"""Readers of robot episodes, one module per source; each yields the same `Episode`."""

from training.episodes.episode import Episode, EpisodeError, FrameSource

__all__ = ["Episode", "EpisodeError", "FrameSource"]
