"""An animation of a recorded bag: camera | predicted | what came."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from framepred_ros.pictures import check_video, compose_row, panel_labels, resize_frame, save_video
from framepred_ros.replay.episode_bag import BagFrame, EpisodeBag, image_topics

PREDICTION_NAMES = ("predicted_frame", "predicted_frame/compressed")
STRIP_NAMES = ("predicted_strip", "predicted_strip/compressed")
OTHER_OUTPUTS = ("comparison", "comparison/compressed", *STRIP_NAMES)  # of the node: pictures, but no camera
SLACK = 5.0  # seconds by which a prediction may be recorded after its frame
RATE_SAMPLE = 30  # predictions that the animation's speed is taken from
MINIMUM_PERIOD = 0.02  # seconds per picture
MATCHING = 0.5  # how many camera periods the frame that is compared may lie from the predicted moment


@dataclass(frozen=True)
class Moment:
    """A prediction with its frame and with the frame that came; RGB uint8 (height, width, 3). Stamp in nanoseconds."""

    stamp: int
    current: np.ndarray
    predicted: np.ndarray
    actual: np.ndarray


def find_topics(path: str | Path, image_topic: str = "") -> tuple[str, str]:
    """Return the camera's and the prediction's topic of a bag.

    Raises:
        ValueError: it is not clear which they are; the message lists the image topics and says what to do.
    """
    topics = image_topics(path)
    predictions = [each for each in topics if _ends_with(each, PREDICTION_NAMES)]
    cameras = [each for each in topics if not _ends_with(each, PREDICTION_NAMES + OTHER_OUTPUTS)]
    if image_topic:
        cameras = [each for each in topics if each == image_topic]
    if len(predictions) != 1 or len(cameras) != 1:
        raise ValueError(
            f"{path}: expected one topic predicted_frame (raw or compressed) and one camera; image topics are "
            f"{', '.join(topics) or 'none'}; record both, and name the camera with --image-topic if there are several"
        )
    return cameras[0], predictions[0]


def _ends_with(topic: str, names: tuple[str, ...]) -> bool:
    return any(f"/{topic}".endswith(f"/{name}") for name in names)


def moments(path: str | Path, horizon: float, image_topic: str = "") -> Iterator[Moment]:
    """Yield the bag's predictions whose frame and outcome were recorded, in order, keeping one horizon in memory.

    A prediction belongs to the frame of its stamp; what came is the frame nearest to `horizon` seconds later.

    Raises:
        FileNotFoundError, ValueError: the bag cannot be read or lacks the topics; the message says which.
    """
    camera_topic, prediction_topic = find_topics(path, image_topic)
    frames: deque[BagFrame] = deque()
    pending: deque[BagFrame] = deque()
    ahead = round(horizon * 1e9)
    for is_prediction, item in _merged(path, camera_topic, prediction_topic):
        if is_prediction:
            # Far ahead of the camera it is of the time before the clock jumped back, and would wait for ever.
            if frames and item.stamp <= frames[-1].stamp + round(SLACK * 1e9):
                pending.append(item)
            continue
        if frames and item.stamp < frames[-1].stamp:  # the clock jumped back
            frames.clear()
            pending.clear()
        frames.append(item)
        while frames[0].stamp < item.stamp - ahead - round(SLACK * 1e9):
            frames.popleft()
        while pending and pending[0].stamp + ahead <= item.stamp:
            if moment := _matched(pending.popleft(), frames, ahead):
                yield moment


def _merged(path: str | Path, camera_topic: str, prediction_topic: str) -> Iterator[tuple[bool, BagFrame]]:
    def frames(topic: str, is_prediction: bool) -> Iterator[tuple[int, bool, BagFrame]]:
        items = (item for item in EpisodeBag(path, topic).read() if isinstance(item, BagFrame))
        return ((item.time, is_prediction, item) for item in items)

    streams = (frames(camera_topic, False), frames(prediction_topic, True))
    for _, is_prediction, item in heapq.merge(*streams, key=lambda each: each[:2]):
        yield is_prediction, item


def _matched(prediction: BagFrame, frames: deque[BagFrame], ahead: int) -> Moment | None:
    current = next((frame for frame in frames if frame.stamp == prediction.stamp), None)
    due = prediction.stamp + ahead
    actual = min(frames, key=lambda frame: abs(frame.stamp - due))
    period = (frames[-1].stamp - frames[0].stamp) / max(1, len(frames) - 1)
    if current is None or abs(actual.stamp - due) > MATCHING * period:
        return None
    size = current.rgb.shape[:2]
    return Moment(prediction.stamp, current.rgb, resize_frame(prediction.rgb, size), resize_frame(actual.rgb, size))


def save_view(path: str | Path, output: str | Path, horizon: float, image_topic: str = "") -> int:
    """Write the animation of a bag, at the bag's speed; return how many predictions it shows.

    Args:
        output: a .gif or .mp4 file; it appears only when it is finished.
        horizon: seconds from a prediction's frame to what it shows.

    Raises:
        FileNotFoundError, ValueError: bad bag or output; the message names it and says what to do.
    """
    output = Path(output)
    check_video(output)
    every = moments(path, horizon, image_topic)
    first = list(islice(every, RATE_SAMPLE))
    if not first:
        raise ValueError(
            f"{path}: no prediction has both its frame and the frame {horizon:g} s later in the bag; record longer "
            "than the horizon, or give the horizon with --horizon"
        )
    period = max(MINIMUM_PERIOD, (first[-1].stamp - first[0].stamp) / 1e9 / max(1, len(first) - 1))
    labels = panel_labels(None, horizon)
    rows = (
        compose_row((each.current, each.predicted, each.actual), labels)
        for each in tqdm(chain(first, every), unit="frame", desc=output.name, disable=None)
    )
    return save_video(output, rows, period)
