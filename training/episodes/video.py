"""Frames of a piece of a video file, by time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from training.episodes.episode import EpisodeError, FrameSource
from training.episodes.files import reading
from training.episodes.pictures import MAX_PIXELS
from training.episodes.resampling import ascending_runs

_TOLERANCE = 1.05  # frames: stamps of real cameras are off the grid, and some files lack the last frame
_DAMAGED = "no video, or a damaged one"


@dataclass(frozen=True, eq=False)
class VideoFrames(FrameSource):
    """Frames of a video.

    Attributes:
        file: the video.
        start: time of the piece's first frame in the video, in seconds.
        rate: frames per second of the video.
        positions: per frame its position in the piece, ascending, int64 (N,).
    """

    file: Path
    start: float
    rate: float
    positions: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        for run in ascending_runs(indices):
            times = [self.start + int(self.positions[index]) / self.rate for index in run]
            yield from frames_at(self.file, times, tolerance=_TOLERANCE / self.rate)

    def checksum(self) -> str:
        """SHA-256 over the piece's encoded pictures and their times."""
        half = 0.5 / self.rate
        stop = self.start + int(self.positions[-1]) / self.rate + half
        digest = hashlib.sha256(f"{self.rate} {self.positions.tolist()}".encode())
        with _open_video(self.file) as (container, stream), reading(self.file, _DAMAGED):
            _seek(container, stream, self.start)
            for packet in container.demux(stream):
                if packet.dts is not None and packet.dts * stream.time_base >= stop:
                    break
                if packet.pts is not None and self.start - half <= packet.pts * stream.time_base < stop:
                    digest.update(f"{packet.pts * stream.time_base - self.start:.6f} {packet.size}:".encode())
                    digest.update(bytes(packet))
        return digest.hexdigest()


def frames_at(file: Path, times: Sequence[float], tolerance: float) -> Iterator[np.ndarray]:
    """Yields the frames nearest to ascending times, decoded in one pass, as RGB uint8 (H, W, 3).

    Args:
        file: the video.
        times: in seconds.
        tolerance: how far from a time its frame may be, in seconds, also at the end: merged files may end early.

    Raises:
        EpisodeError: the video is damaged, or has no frame at one of the times.
    """
    wanted = iter(times)
    time, previous = next(wanted), None
    with _open_video(file) as (container, stream), reading(file, _DAMAGED):
        _seek(container, stream, time)
        for frame in container.decode(stream):
            if frame.time is None:
                continue
            while time is not None and frame.time >= time:  # the nearest is this frame or the one before
                is_before = previous is not None and time - previous.time < frame.time - time
                nearest = previous if is_before else frame
                if abs(nearest.time - time) > tolerance:
                    raise EpisodeError(file, f"no frame at {time:.3f} s")
                yield _rgb(file, nearest)
                time = next(wanted, None)
            if time is None:
                break
            previous = frame
        while time is not None and previous is not None and time - previous.time <= tolerance:
            yield _rgb(file, previous)
            time = next(wanted, None)
    if time is not None:
        raise EpisodeError(file, f"no frame at {time:.3f} s")


@contextmanager
def _open_video(file: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    with reading(file, _DAMAGED):
        # Only the container formats that robot data come in: playlists and the like make FFmpeg open other files.
        container = av.open(str(file), format="mp4")
    with container:
        if not container.streams.video:
            raise EpisodeError(file, "it has no video stream")
        stream = container.streams.video[0]
        with reading(file, _DAMAGED):
            if stream.width * stream.height > MAX_PIXELS:
                raise EpisodeError(file, f"a video of {stream.width}x{stream.height} pixels is too large")
        stream.codec_context.thread_count = 1  # episodes are what is worked on in parallel
        yield container, stream


def _seek(container: av.container.InputContainer, stream: av.VideoStream, time: float) -> None:
    """Goes to the last key frame at or before a time."""
    container.seek(max(0, int(time / stream.time_base)), stream=stream)


def _rgb(file: Path, frame: av.VideoFrame) -> np.ndarray:
    if frame.width * frame.height > MAX_PIXELS:
        raise EpisodeError(file, f"a frame of {frame.width}x{frame.height} pixels is too large")
    return frame.to_ndarray(format="rgb24")
