"""`framepred predict`: from picture files to a picture, a strip of moments, or a clip. No ROS in it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from framepred_ros.encoded_pictures import PictureError, read_picture
from framepred_ros.files import write_bytes
from framepred_ros.pictures import check_video, compose_row, save_video, span_text

if TYPE_CHECKING:
    from framepred_ros.prediction.checkpoint import CheckpointInfo

CLIP_SPACING = 10  # steps from one moment of a clip to the next, unless --horizons says
ASSUMED_STEP = 0.1  # seconds, where the checkpoint does not say


def add_predict(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of `framepred`."""
    predict = commands.add_parser("predict", help="predict from a picture file")
    predict.add_argument("image", type=Path, help="the current camera frame")
    predict.add_argument("instruction", help="what the robot is doing, in words")
    output = predict.add_mutually_exclusive_group(required=True)
    output.add_argument("-o", "--output", type=Path, help="picture file to write")
    output.add_argument("--clip", type=Path, help=".mp4 or .gif file to write: now, then one moment after the other")
    ahead = predict.add_mutually_exclusive_group()
    ahead.add_argument("--horizon", type=int, help="steps ahead (default: the checkpoint's)")
    ahead.add_argument(
        "--horizons",
        type=int,
        nargs="+",
        metavar="STEPS",
        help="several moments, side by side or as a clip, predicted in one batch "
        f"(default of a clip: every {CLIP_SPACING} steps that the checkpoint allows)",
    )
    predict.add_argument(
        "--history",
        nargs="+",
        default=[],
        metavar="STEPS=FILE",
        help="what the camera saw so many steps before, such as 10=a.png 25=b.png, if the checkpoint takes a past",
    )
    predict.add_argument("--checkpoint", help="checkpoint folder or hub id (default: the shipped one)")
    predict.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... (default: cuda if there is one)")
    predict.add_argument("--steps", type=int, help="sampling steps (default: the checkpoint's)")
    predict.add_argument("--seed", type=int, default=0, help="of the initial noise (default: 0)")
    predict.set_defaults(run=_predict)


def _predict(arguments: argparse.Namespace) -> None:
    image = read_image(arguments.image)
    history = read_history(arguments.history)
    _check_outputs(arguments)
    # Seconds of imports: only for good arguments.
    from framepred_ros.prediction.checkpoint import read_checkpoint_info, resolve_checkpoint, shipped_checkpoint
    from framepred_ros.prediction.predictor import FramePredictor, check_instruction

    check_instruction(arguments.instruction)
    folder = resolve_checkpoint(arguments.checkpoint or shipped_checkpoint())
    info = read_checkpoint_info(folder)
    horizons = _horizons(arguments, info)
    for horizon in horizons:
        info.check_horizon(horizon)
    predictor = FramePredictor.from_pretrained(folder, device=arguments.device)
    options = {"steps": arguments.steps, "seed": arguments.seed, "history": history}
    frames = predictor.predict_clip(image, arguments.instruction, horizons, **options)
    _write(arguments, image, frames, horizons, info.step_duration)


def _check_outputs(arguments: argparse.Namespace) -> None:
    if arguments.clip is None:
        check_output(arguments.output)
        return
    check_video(arguments.clip)
    if arguments.horizon is not None:
        raise ValueError("--clip shows several moments: give them with --horizons, or leave --horizon out")


def _horizons(arguments: argparse.Namespace, info: CheckpointInfo) -> list[int]:
    if arguments.horizons:
        return sorted(set(arguments.horizons))
    if arguments.clip is not None:
        return clip_horizons(info)
    return [info.horizon if arguments.horizon is None else arguments.horizon]


def clip_horizons(info: CheckpointInfo) -> list[int]:
    """The moments of a clip in steps: every tenth that the checkpoint allows, or the only one that it knows."""
    shortest, longest = info.horizons or (info.horizon, info.horizon)
    return [steps for steps in range(CLIP_SPACING, longest + 1, CLIP_SPACING) if steps >= shortest] or [info.horizon]


def _write(
    arguments: argparse.Namespace,
    image: np.ndarray,
    frames: Sequence[np.ndarray],
    horizons: Sequence[int],
    step_duration: float | None,
) -> None:
    texts = [span_text(steps, step_duration and steps * step_duration) for steps in horizons]
    if arguments.clip is not None:
        period = math.gcd(*horizons) * (step_duration or ASSUMED_STEP)
        save_video(arguments.clip, _shown(image, frames, horizons), period)
        print(f"{arguments.clip}: {arguments.image} and what follows, up to {texts[-1]} later")
    elif arguments.horizons:
        write_image(arguments.output, np.asarray(compose_row(frames, texts)))
        print(f"{arguments.output}: the frames {', '.join(texts)} after {arguments.image}")
    else:
        write_image(arguments.output, frames[0])
        print(f"{arguments.output}: the frame {texts[0]} after {arguments.image}")


def _shown(image: np.ndarray, frames: Sequence[np.ndarray], horizons: Sequence[int]) -> Iterator[Image.Image]:
    """A clip's pictures, each as often as it takes until the next moment; the last one once."""
    unit = math.gcd(*horizons)
    moments = [0, *horizons, horizons[-1] + unit]
    for picture, begin, end in zip([image, *frames], moments, moments[1:], strict=False):
        yield from [Image.fromarray(picture)] * ((end - begin) // unit)


def read_history(words: Sequence[str]) -> dict[int, np.ndarray]:
    """Reads `10=a.png`: pictures by how many steps ago they were seen. Raises ValueError or FileNotFoundError."""
    history = {}
    for word in words:
        steps, _, path = word.partition("=")
        if not (steps.isascii() and steps.isdigit() and path):
            raise ValueError(f"--history takes steps and file, such as 10=before.png, not '{word}'")
        if int(steps) in history:
            raise ValueError(f"--history has two pictures {int(steps)} steps back")
        history[int(steps)] = read_image(Path(path))
    return history


def read_image(path: Path) -> np.ndarray:
    """Reads a picture file as uint8 RGB (H, W, 3). Raises ValueError or FileNotFoundError naming the file."""
    if not path.is_file():
        raise FileNotFoundError(f"no such picture: {path}")
    try:
        return cv2.cvtColor(read_picture(path), cv2.COLOR_BGR2RGB)
    except PictureError as error:
        raise ValueError(f"{path} is not a picture that can be read: {error}") from error


def check_output(path: Path) -> None:
    """Raises ValueError or FileNotFoundError when no picture could be written there."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no such folder for the output: {path.parent}")
    if not cv2.haveImageWriter(path.name):
        raise ValueError(f"{path} must end in the name of a picture format, such as .png or .jpg")


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes uint8 RGB (H, W, 3)."""
    _, encoded = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    write_bytes(path, encoded.tobytes())
