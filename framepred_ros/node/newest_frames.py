"""What passes between the executor and the prediction thread: the newest frame of every camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from std_msgs.msg import Header

from framepred_ros.node.statistics import Drop

if TYPE_CHECKING:
    from framepred_ros.node.settings import PredictionSettings

LONGEST_WAIT = 0.1  # seconds after which the wait of a frame is computed anew


@dataclass(frozen=True)
class Predicted:
    """What was predicted from a frame: RGB uint8 pictures of its size.

    Attributes:
        picture: `horizon` steps later.
        strip: the moments of a strip; empty if nobody looked at one.
    """

    picture: np.ndarray
    horizon: int
    strip: tuple[np.ndarray, ...] = ()


class FrameOwner(Protocol):
    """What a frame belongs to: in the node, its camera's `CameraChannel`. The prediction thread calls the methods."""

    name: str

    @property
    def instruction(self) -> str:
        """The instruction in force; empty: none."""

    @property
    def strip_watched(self) -> bool:
        """Whether anybody looks at a strip of several moments."""

    def past_of(self, frame: Frame) -> Mapping[int, np.ndarray]:
        """Return what the camera saw before a frame, by how many steps ago, as far as it is known and of use."""

    def publish(self, frame: Frame, predicted: Predicted, settings: PredictionSettings) -> None:
        """Take what was predicted from a frame."""

    def drop(self, reason: Drop, detail: str = "") -> None:
        """Take note that nothing was predicted from a frame."""


class Frame:
    """A camera's message, decoded by whoever needs the picture first, which is not the executor.

    Args:
        owner: of the camera.
        message: sensor_msgs/Image or CompressedImage.
        decode: turns the message into RGB.

    Attributes:
        received: `time.monotonic()` of its arrival.
    """

    def __init__(self, owner: FrameOwner, message: Any, decode: Callable[[Any], np.ndarray]) -> None:
        self.owner, self.message = owner, message
        self.received = time.monotonic()
        self._decode = decode
        # Of this frame alone. The lock of `cached_property` is one for all frames up to Python 3.11; later it has none.
        self._decoding = threading.Lock()
        self._rgb: np.ndarray | None = None

    @property
    def camera(self) -> str:
        """The camera's name; empty for the single camera."""
        return self.owner.name

    @property
    def header(self) -> Header:
        """The message's header."""
        return self.message.header

    @property
    def stamp_ns(self) -> int:
        """The header's stamp in nanoseconds."""
        return self.header.stamp.sec * 10**9 + self.header.stamp.nanosec

    @property
    def is_decoded(self) -> bool:
        """Whether asking for the picture costs nothing."""
        return self._rgb is not None

    @property
    def rgb(self) -> np.ndarray:
        """The picture, RGB uint8 (height, width, 3); decoded once, whichever threads ask.

        Raises:
            ImageMessageError: the message cannot be used.
        """
        with self._decoding:
            if self._rgb is None:
                self._rgb = self._decode(self.message)
            return self._rgb


@dataclass(frozen=True)
class Batch:
    """Frames to predict from in one pass, at most one per camera, and the requests that ask for it."""

    frames: list[Frame]
    requests: list[Future]


class NewestFrames:
    """Holds each camera's newest frame and knows which of them wait for a prediction.

    The writer never waits; the reader always gets the newest frames, and an older one never after a newer one.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: dict[str, Frame] = {}
        self._waiting: set[str] = set()
        self._requests: list[Future] = []
        self._closed = False

    def put(self, frame: Frame, wanted: bool = True) -> bool:
        """Store a camera's newest frame; if wanted, it waits for a prediction.

        Returns:
            whether a frame that was still waiting had to give way.
        """
        with self._changed:
            gave_way = frame.camera in self._waiting
            self._newest[frame.camera] = frame
            if wanted:
                self._waiting.add(frame.camera)
                self._changed.notify()
            else:
                self._waiting.discard(frame.camera)
            return gave_way

    def request(self) -> Future:
        """Ask for a prediction from every camera's newest frame, before all that waits.

        Returns:
            what the reader answers; cancelled when the frames are forgotten first.

        Raises:
            LookupError: no camera has sent a frame.
        """
        with self._changed:
            if not self._newest:
                raise LookupError("no frame has arrived")
            self._requests.append(Future())
            self._changed.notify()
            return self._requests[-1]

    def take(self, not_before: Callable[[], float] = lambda: 0.0) -> Batch | None:
        """Wait for a request, or for frames that wait, and remove them. Return None once closed.

        Args:
            not_before: returns the `time.monotonic()` before which frames keep waiting, and may give way; requests do
                not wait. Asked again and again, because it may change meanwhile.
        """
        with self._changed:
            while not self._closed:
                left = not_before() - time.monotonic()
                if self._requests or (self._waiting and left <= 0):
                    return self._remove()
                self._changed.wait(min(left, LONGEST_WAIT) if self._waiting else None)
            return None

    def clear(self) -> None:
        """Forget all frames and cancel the requests."""
        with self._changed:
            self._newest.clear()
            self._waiting.clear()
            self._cancel_requests()

    def close(self) -> None:
        """Wake the reader for good: `take` returns None from now on."""
        with self._changed:
            self._closed = True
            self._cancel_requests()
            self._changed.notify_all()

    def _remove(self) -> Batch:
        cameras = self._newest if self._requests else self._waiting
        batch = Batch([self._newest[camera] for camera in sorted(cameras)], self._requests)
        self._waiting, self._requests = set(), []
        return batch

    def _cancel_requests(self) -> None:
        for request in self._requests:
            request.cancel()
        self._requests = []
