"""What one camera saw in the last seconds, for models that are given a past."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from framepred_ros.node.newest_frames import Frame
from framepred_ros.pictures import resize_frame
from framepred_ros.ros.image_messages import ImageMessageError

NANOSECONDS = 10**9
SHORTEST_GAP = NANOSECONDS  # the past ends at a longer gap, unless the nearest past frame is farther away
MARGIN = 2  # steps that are kept longer, because the newest frame may be newer than the one that is predicted from


class PastFrames:
    """Keeps a camera's frames by their stamps, as far back as the model looks.

    The executor adds frames and never waits for a picture. The prediction thread asks for them, and it alone decodes:
    it turns frames into pictures of the model's size when that takes less memory than the message, or costs no
    decoding, and else when they are needed. At most two frames per step are kept: with fewer there would not always be
    one within half a step of the moment that is asked for.

    Args:
        history: how many steps ago those frames lie that the model takes, ascending.
        step_duration: seconds from one step to the next.
        size: (height, width) of the pictures.
    """

    def __init__(self, history: Sequence[int], step_duration: float, size: tuple[int, int]) -> None:
        self._history, self._size = tuple(history), size
        self._step = round(step_duration * NANOSECONDS)
        self._gap = max(self._history[0] * self._step, SHORTEST_GAP)
        self._lock = threading.Lock()
        self._kept: deque[_KeptFrame] = deque()
        self._last: int | None = None  # stamp of the last frame, whether or not it was kept

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def wanted(self) -> int:
        """How many earlier frames the model takes."""
        return len(self._history)

    def add(self, frame: Frame, wanted: bool) -> None:
        """Take in the camera's next frame, which is kept if predictions are wanted.

        A stamp that goes back, or a gap, ends the past.
        """
        stamp = frame.stamp_ns
        oldest = stamp - (self._history[-1] + MARGIN) * self._step
        with self._lock:
            if self._last is not None and not 0 <= stamp - self._last <= self._gap:
                self._kept.clear()
            self._last = stamp
            while self._kept and self._kept[0].stamp_ns < oldest:
                self._kept.popleft()
            if wanted and not (self._kept and stamp - self._kept[-1].stamp_ns < self._step / 2):
                self._kept.append(_KeptFrame(frame))

    def before(self, frame: Frame) -> dict[int, np.ndarray]:
        """Return the past of a frame whose picture can be decoded: RGB uint8 by how many steps ago.

        It reaches only as far back as there is a frame within half a step of each moment, because training, too, leaves
        out only the far end. A frame of another size ends the past.
        """
        with self._lock:
            kept = [each for each in self._kept if each.received <= frame.received]
        nearest = {steps: self._nearest(kept, frame.stamp_ns - steps * self._step) for steps in self._history}
        needed = [each for each in nearest.values() if each is not None]
        for each in kept:
            if each in needed or each.is_cheap(self._size):
                each.shrink(self._size)
        last_other = next((each for each in reversed(kept) if each.shape not in (None, frame.rgb.shape)), None)
        if last_other is not None:
            self._forget(last_other)
        found: dict[int, np.ndarray] = {}
        for steps, each in nearest.items():
            if each is None or each.picture is None or (last_other and each.received <= last_other.received):
                break
            found[steps] = each.picture
        return found

    def clear(self) -> None:
        """Forget all frames."""
        with self._lock:
            self._kept.clear()
            self._last = None

    def _nearest(self, kept: Iterable[_KeptFrame], stamp: int) -> _KeptFrame | None:
        best = min(kept, key=lambda each: abs(each.stamp_ns - stamp), default=None)
        return best if best is not None and abs(best.stamp_ns - stamp) <= self._step / 2 else None

    def _forget(self, last: _KeptFrame) -> None:
        """Forget a frame and all that came before it."""
        with self._lock:
            while self._kept and self._kept[0].received <= last.received:
                self._kept.popleft()


class _KeptFrame:
    """A message, and from `shrink` on a picture instead.

    Attributes:
        stamp_ns, received: as those of the frame.
        picture: RGB uint8 of the model's size; None before `shrink`, and if the message cannot be used.
        shape: of the camera's picture; None like it.
    """

    def __init__(self, frame: Frame) -> None:
        self.stamp_ns, self.received = frame.stamp_ns, frame.received
        self.picture: np.ndarray | None = None
        self.shape: tuple[int, ...] | None = None
        self._frame: Frame | None = frame

    def is_cheap(self, size: tuple[int, int]) -> bool:
        """Return whether the picture is worth making before it is needed."""
        frame = self._frame
        return frame is not None and (frame.is_decoded or len(frame.message.data) > size[0] * size[1] * 3)

    def shrink(self, size: tuple[int, int]) -> None:
        """Replace the message by a picture of a size (height, width)."""
        frame, self._frame = self._frame, None
        if frame is None:
            return
        try:
            self.picture = resize_frame(frame.rgb, size)
        except ImageMessageError:  # the error is reported when the frame is predicted from
            return
        self.shape = frame.rgb.shape
