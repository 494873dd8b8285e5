"""Export an episode as a ROS 2 bag (mcap): the camera as compressed images, and the instruction.

python -m training.export_bag EPISODES/{task}_D435_pkl/episode{i} --out DIR [--quality 90]
python -m training.export_bag SOURCE --task TASK --episode 3 --out DIR
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from tqdm import tqdm

from training.dataset.stored_frames import encode_jpeg
from training.episodes import FORMATS, Episode, EpisodeError, SourceOptions, open_source

IMAGE_TOPIC = "/camera/image_raw/compressed"
INSTRUCTION_TOPIC = "/instruction"
FRAME_ID = "head_camera"

# The oldest version that rosbags writes; newer ROS 2 releases read it too.
_BAG_VERSION = 8
_NANOSECONDS = 10**9
_START = _NANOSECONDS  # not 0, which ROS takes for "no time"
_TYPES = get_typestore(Stores.ROS2_HUMBLE)


def export_bag(episode: Episode, out: str | Path, instruction: str | None = None, quality: int = 90) -> None:
    """Writes an episode as a bag folder.

    `/camera/image_raw/compressed` holds one sensor_msgs/CompressedImage (JPEG) per frame, header stamps and bag times
    one step apart; `/instruction` one latched std_msgs/String, at the time of the first frame.

    Args:
        episode: the episode.
        out: the bag folder; it appears only when the bag is finished.
        instruction: the sentence; by default the episode's first unseen phrasing, else its first seen one.
        quality: of the JPEG, 1 to 100.

    Raises:
        FileExistsError: `out` exists.
        ValueError: an empty instruction, or a quality out of range.
        EpisodeError: a frame cannot be read.
    """
    out = Path(out).absolute()
    sentence = (episode.unseen or episode.seen)[0] if instruction is None else instruction.strip()
    if not sentence:
        raise ValueError("the instruction is empty")
    if not 1 <= quality <= 100:
        raise ValueError("the JPEG quality must lie between 1 and 100")
    if out.exists():
        raise FileExistsError(f"{out}: exists already")
    partial = out.parent / f".{out.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        # The files inside are named after the folder, so the folder has its final name from the start.
        _write(episode, partial / out.name, sentence, quality)
        os.rename(partial / out.name, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(episode: Episode, folder: Path, sentence: str, quality: int) -> None:
    step = round(episode.step_duration * _NANOSECONDS)
    with Writer(folder, version=_BAG_VERSION, storage_plugin=StoragePlugin.MCAP) as bag:
        bag.set_custom_data("task", episode.task)
        bag.set_custom_data("episode", str(episode.number))
        instructions = _add_topic(bag, INSTRUCTION_TOPIC, "std_msgs/msg/String", QosDurability.TRANSIENT_LOCAL)
        images = _add_topic(bag, IMAGE_TOPIC, "sensor_msgs/msg/CompressedImage", QosDurability.VOLATILE)
        message = _TYPES.types["std_msgs/msg/String"](data=sentence)
        bag.write(instructions, _START, _TYPES.serialize_cdr(message, instructions.msgtype))
        for index, image in tqdm(episode.read(), total=len(episode), unit="frame", disable=None):
            time = _START + index * step
            message = _compressed_image(image, time, quality)
            bag.write(images, time, _TYPES.serialize_cdr(message, images.msgtype))


def _add_topic(bag: Writer, topic: str, kind: str, durability: QosDurability) -> Connection:
    """A reliable topic; players offer it as it was recorded, so a latched topic reaches late subscribers again."""
    unlimited = QosTime(0, 0)
    qos = Qos(
        history=QosHistory.KEEP_LAST,
        depth=1,
        reliability=QosReliability.RELIABLE,
        durability=durability,
        deadline=unlimited,
        lifespan=unlimited,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=unlimited,
        avoid_ros_namespace_conventions=False,
    )
    return bag.add_connection(topic, kind, typestore=_TYPES, offered_qos_profiles=[qos])


def _compressed_image(image: np.ndarray, time: int, quality: int):
    """The sensor_msgs/CompressedImage of an RGB uint8 (H, W, 3) image; `time` in nanoseconds."""
    types = _TYPES.types
    seconds, nanoseconds = divmod(time, _NANOSECONDS)
    stamp = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    return types["sensor_msgs/msg/CompressedImage"](
        header=types["std_msgs/msg/Header"](stamp=stamp, frame_id=FRAME_ID),
        # What compressed_image_transport writes: the camera's encoding, then how decoders see the JPEG.
        format="rgb8; jpeg compressed bgr8",
        data=np.frombuffer(encode_jpeg(image, quality), np.uint8),
    )


def choose_episode(source: Path, options: SourceOptions, format_name: str | None, number: int | None) -> Episode:
    """The one episode of a source with this task and number, where they are given.

    Raises:
        EpisodeError: none or several are left, or the chosen one is unusable.
        ValueError: there is no such format.
    """
    opened = open_source(source, options, format_name)

    def chosen(entry: Episode | EpisodeError) -> bool:
        return number in (None, entry.number) and options.task in (None, entry.task)

    for error in filter(chosen, opened.bad):
        raise error
    episodes = list(filter(chosen, opened.episodes))
    if len(episodes) != 1:
        what = f"{len(episodes)} episodes" if episodes else "no such episode"
        raise EpisodeError(source, f"{what}; choose one of its {len(opened.episodes)} with --task and --episode")
    return episodes[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input."""
    parser = argparse.ArgumentParser(prog="python -m training.export_bag", description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="an episode, such as EPISODES/block_handover_D435_pkl/episode0")
    parser.add_argument("--task", help="where the source has several")
    parser.add_argument("--episode", type=int, help="its number, where the source has several")
    parser.add_argument("--format", choices=FORMATS, help="of the source (default: found out)")
    parser.add_argument("--out", type=Path, required=True, help="bag folder; it must not exist")
    parser.add_argument("--quality", type=int, default=90, help="of the JPEG, 1 to 100")
    parser.add_argument("--instruction", help="the sentence (default: the episode's first unseen or seen phrasing)")
    parser.add_argument("--camera", help="key of the camera in the episode (default: the format's head camera)")
    args = parser.parse_args(arguments)
    try:
        options = SourceOptions(camera=args.camera, instruction=args.instruction or None, task=args.task)
        episode = choose_episode(args.source, options, args.format, args.episode)
        export_bag(episode, args.out, args.instruction, args.quality)
    except (EpisodeError, ValueError, OSError) as error:
        print(f"export_bag: {error}", file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in args.out.iterdir())
    print(f"{args.out}: {len(episode)} frames, {len(episode) * episode.step_duration:.1f} s, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
