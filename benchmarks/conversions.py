"""What it costs the node, besides the model, to turn a message into the model's input and its output into a message."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image as Picture
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tqdm import tqdm

from framepred_ros.node.newest_frames import Frame
from framepred_ros.node.past_frames import PastFrames
from framepred_ros.prediction.predictor import FramePredictor
from framepred_ros.ros.image_messages import image_from_rgb, rgb_from_image

REPEATS = 60


@dataclass(frozen=True)
class Conversion:
    """Milliseconds of CPU of one conversion, medians: ours and the plain way."""

    name: str
    ours: float
    plain: float


class RecordedImaging:
    """An `Imaging` that remembers how it last made frames of pictures.

    Attributes:
        pictures: the model's decoded output, float32 (N, 3, h, w) in 0..255.
        repeat: makes the same frames again.
    """

    def __init__(self, imaging):
        self.load = imaging.load
        self._imaging = imaging

    def show(self, pictures, *arguments):
        """See `framepred_ros.prediction.imaging.Imaging`."""
        self.pictures, self.repeat = pictures, partial(self._imaging.show, pictures, *arguments)
        return self.repeat()

    def composite(self, frames, future, *arguments):
        """See `framepred_ros.prediction.imaging.Imaging`."""
        self.pictures, self.repeat = future, partial(self._imaging.composite, frames, future, *arguments)
        return self.repeat()


def mean_conversions(frames: Sequence[tuple[np.ndarray, str]], checkpoint: Path) -> list[Conversion]:
    """The means of `measure_conversions` over several frames with their instructions."""
    predictor = FramePredictor.from_pretrained(checkpoint, device="cpu", engine="fast")
    measured = [
        measure_conversions(frame, instruction, predictor) for frame, instruction in tqdm(frames, "conversions")
    ]
    return [
        Conversion(same[0].name, *(statistics.mean(getattr(each, way) for each in same) for way in ("ours", "plain")))
        for same in zip(*measured, strict=True)
    ]


def measure_conversions(frame: np.ndarray, instruction: str, predictor: FramePredictor) -> list[Conversion]:
    """Times each conversion of a frame, RGB uint8 (H, W, 3), on one thread, beside the plain way.

    The plain way goes through Python lists between message and picture, and between picture and model's input and
    output through diffusers' image processor and PIL, which redraws the whole frame: no mask, no filter, no blending.
    """
    imaging = predictor.imaging
    predictor.imaging = recorded = RecordedImaging(imaging)
    future = predictor.predict(frame, instruction)
    predictor.imaging = imaging
    message, (height, width) = image_from_rgb(frame, Header()), predictor.info.resolution
    processor = VaeImageProcessor(resample="bilinear")
    decoded = recorded.pictures / 127.5 - 1

    def plain_show() -> np.ndarray:
        return np.asarray(processor.postprocess(decoded)[0].resize(frame.shape[1::-1]))

    pairs = {
        "message to picture": (lambda: rgb_from_image(message), lambda: _plain_picture(message)),
        "picture to the model's input": (
            lambda: predictor._pixels([frame]),
            lambda: processor.preprocess(Picture.fromarray(frame), height, width),
        ),
        "the model's output to picture": (recorded.repeat, plain_show),
        "picture to message": (lambda: image_from_rgb(future, Header()), lambda: _plain_message(frame)),
    }
    if predictor.history:
        pairs["the past, kept and given"] = past_ways(frame, predictor)
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    measured = [
        Conversion(name, 1e3 * _cpu_seconds(ours, REPEATS), 1e3 * _cpu_seconds(plain, 3))
        for name, (ours, plain) in pairs.items()
    ]
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])
    total = Conversion("together", *(sum(getattr(each, which) for each in measured) for which in ("ours", "plain")))
    return [*measured, total]


def past_ways(frame: np.ndarray, predictor: FramePredictor) -> tuple[Callable[[], object], Callable[[], object]]:
    """Giving the model its past with each frame of a camera that sends one per step: the node's way, and the plain one.

    The plain way keeps the messages, and decodes and resizes those that a prediction needs.
    """
    history, step = predictor.history, round((predictor.step_duration or 0.1) * 10**9)
    past = PastFrames(history, step / 1e9, predictor.info.resolution)

    def arriving(number: int) -> Frame:
        message = image_from_rgb(frame, Header())
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(number * step, 10**9)
        arrived = Frame(None, message, rgb_from_image)
        arrived.rgb  # noqa: B018  (decoded for the prediction itself)
        return arrived

    for number in range(history[-1]):
        past.add(arriving(number), wanted=True)
    # Making messages is not the node's work.
    ready = iter([arriving(history[-1] + number) for number in range(REPEATS)])
    messages = [image_from_rgb(frame, Header())] * len(history)

    def ours() -> object:
        arrived = next(ready)
        past.add(arrived, wanted=True)
        return predictor._past([frame], [past.before(arrived)])

    def plain() -> object:
        earlier = {steps: rgb_from_image(message) for steps, message in zip(history, messages, strict=True)}
        return predictor._past([frame], [earlier])

    return ours, plain


def _plain_picture(message: Image) -> np.ndarray:
    return np.array(list(message.data), np.uint8).reshape(message.height, message.width, 3)


def _plain_message(frame: np.ndarray) -> Image:
    height, width = frame.shape[:2]
    return Image(height=height, width=width, encoding="rgb8", step=3 * width, data=frame.ravel().tolist())


def _cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)
