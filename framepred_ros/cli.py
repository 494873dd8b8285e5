"""The `framepred` command: predict from a picture file, watch recorded predictions, export checkpoints.

framepred predict IMAGE "instruction" -o OUT.png [--horizon STEPS]    (without ROS)
framepred predict IMAGE "instruction" --clip OUT.mp4
framepred view BAG -o OUT.gif
framepred export CHECKPOINT -o DIR                                    (a checkpoint for machines without PyTorch)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from framepred_ros.predict_command import add_predict


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input, 130 interrupted."""
    arguments = _parse(argv)
    try:
        arguments.run(arguments)
    except (ValueError, OSError, ArithmeticError, ImportError) as error:
        print(f"framepred: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="framepred", description="Predict a robot camera's future frame.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_predict(commands)
    _add_view(commands)
    _add_export(commands)
    return parser.parse_args(argv)


def _add_view(commands: argparse._SubParsersAction) -> None:
    view = commands.add_parser("view", help="animate a recorded bag: camera | predicted | what came")
    view.add_argument("bag", type=Path, help="bag with the camera's images and predicted_frame, raw or compressed")
    view.add_argument("-o", "--output", type=Path, required=True, help=".gif or .mp4 file to write")
    view.add_argument("--horizon", type=float, default=3.0, help="seconds a prediction is ahead (default: 3)")
    view.add_argument("--image-topic", default="", help="the camera, if the bag has several")
    view.set_defaults(run=_view)


def _add_export(commands: argparse._SubParsersAction) -> None:
    export = commands.add_parser(
        "export",
        help="make a checkpoint that runs without PyTorch (needs PyTorch)",
        description="Copies a checkpoint of a small model and adds the folder openvino/, with which it runs on a CPU "
        "without PyTorch. Give the checkpoint's own folder as DIR to add openvino/ there.",
    )
    export.add_argument("checkpoint", help="checkpoint folder or hub id")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="new folder, or CHECKPOINT")
    export.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> None:
    try:
        from framepred_ros.prediction.light.export import export_checkpoint
    except ModuleNotFoundError as error:
        raise ImportError(f"exporting needs PyTorch: pip install framepred_ros[torch] ({error})") from error

    folder = export_checkpoint(arguments.checkpoint, arguments.output)
    print(f"{folder}: runs with and without PyTorch; copy it as a whole")


def _view(arguments: argparse.Namespace) -> None:
    from framepred_ros.replay.view import save_view  # needs the bag libraries, which predicting does not

    if not arguments.horizon > 0:
        raise ValueError(f"--horizon must be above 0 seconds, not {arguments.horizon:g}")
    count = save_view(arguments.bag, arguments.output, arguments.horizon, arguments.image_topic)
    print(f"{arguments.output}: {count} predictions of {arguments.bag}")


if __name__ == "__main__":
    sys.exit(main())
