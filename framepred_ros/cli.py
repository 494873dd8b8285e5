"""The `framepred` command: predict from a picture file, and watch recorded predictions.

framepred predict IMAGE "instruction" -o OUT    (without ROS)
framepred view BAG -o OUT.gif
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from framepred_ros.files import write_bytes


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input, 130 interrupted."""
    arguments = _parse(argv)
    try:
        arguments.run(arguments)
    except (ValueError, OSError) as error:
        print(f"framepred: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="framepred", description="Predict a robot camera's future frame.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_predict(commands)
    _add_view(commands)
    return parser.parse_args(argv)


def _add_predict(commands: argparse._SubParsersAction) -> None:
    predict = commands.add_parser("predict", help="predict from a picture file")
    predict.add_argument("image", type=Path, help="the current camera frame")
    predict.add_argument("instruction", help="what the robot is doing, in words")
    predict.add_argument("-o", "--output", type=Path, required=True, help="picture file to write")
    predict.add_argument("--checkpoint", help="checkpoint folder or hub id (default: the shipped one)")
    predict.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... (default: cuda if there is one)")
    predict.add_argument("--steps", type=int, help="sampling steps (default: the checkpoint's)")
    predict.add_argument("--seed", type=int, default=0, help="of the initial noise (default: 0)")
    predict.set_defaults(run=_predict)


def _add_view(commands: argparse._SubParsersAction) -> None:
    view = commands.add_parser("view", help="animate a recorded bag: camera | predicted | what came")
    view.add_argument("bag", type=Path, help="bag with the camera's images and predicted_frame, raw or compressed")
    view.add_argument("-o", "--output", type=Path, required=True, help=".gif or .mp4 file to write")
    view.add_argument("--horizon", type=float, default=3.0, help="seconds a prediction is ahead (default: 3)")
    view.add_argument("--image-topic", default="", help="the camera, if the bag has several")
    view.set_defaults(run=_view)


def _predict(arguments: argparse.Namespace) -> None:
    image = read_image(arguments.image)
    check_output(arguments.output)
    # Seconds of imports: only for good arguments.
    from framepred_ros.prediction.checkpoint import shipped_checkpoint
    from framepred_ros.prediction.predictor import FramePredictor, check_instruction

    check_instruction(arguments.instruction)
    checkpoint = arguments.checkpoint or shipped_checkpoint()
    predictor = FramePredictor.from_pretrained(checkpoint, device=arguments.device)
    frame = predictor.predict(image, arguments.instruction, steps=arguments.steps, seed=arguments.seed)
    write_image(arguments.output, frame)
    ahead = f"{predictor.horizon} steps"
    if predictor.step_duration:
        ahead += f" ({predictor.horizon * predictor.step_duration:g} s)"
    print(f"{arguments.output}: the frame {ahead} after {arguments.image}")


def _view(arguments: argparse.Namespace) -> None:
    from framepred_ros.replay.view import save_view  # needs the bag libraries, which predicting does not

    if not arguments.horizon > 0:
        raise ValueError(f"--horizon must be above 0 seconds, not {arguments.horizon:g}")
    count = save_view(arguments.bag, arguments.output, arguments.horizon, arguments.image_topic)
    print(f"{arguments.output}: {count} predictions of {arguments.bag}")


def read_image(path: Path) -> np.ndarray:
    """Reads a picture file as uint8 RGB (H, W, 3). Raises ValueError or FileNotFoundError naming the file."""
    if not path.is_file():
        raise FileNotFoundError(f"no such picture: {path}")
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) if path.stat().st_size else None
    if image is None:
        raise ValueError(f"{path} is not a picture that OpenCV can read")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


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


if __name__ == "__main__":
    sys.exit(main())
