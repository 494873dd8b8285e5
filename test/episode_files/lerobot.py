"""A LeRobot v3.0 dataset, written as huggingface/lerobot does (src/lerobot/datasets: dataset_writer.py,
dataset_metadata.py, video_utils.py): one mp4 per episode is appended to the file before it without decoding.
"""

import io
import json
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

VIDEO, IMAGE = "observation.images.head", "observation.images.wrist"
SECOND_VIDEO = "observation.images.side"


def encode_video(path: Path, images, fps: int, codec="libx264") -> None:
    """LeRobot's `encode_video_frames`: a key frame every second picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"g": "2", "crf": "12", "bf": "0"} if codec == "libx264" else {"g": "2", "crf": "20"}
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, fps, options=options)
        stream.pix_fmt, stream.width, stream.height = "yuv420p", images[0].shape[1], images[0].shape[0]
        stream.thread_count = 1
        for image in images:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode())


def concatenate_videos(paths: list[Path], target: Path) -> None:
    """LeRobot's `concatenate_video_files`."""
    playlist = target.with_suffix(".ffconcat")
    playlist.write_text("ffconcat version 1.0\n" + "".join(f"file '{path}'\n" for path in paths))
    with av.open(str(playlist), format="concat", options={"safe": "0"}) as source, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0], opaque=True)
        stream.time_base = source.streams.video[0].time_base
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    playlist.unlink()


def duration(path: Path) -> float:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return float(stream.duration * stream.time_base)


def write_videos(root: Path, key: str, episodes: list[list[np.ndarray]], fps: int, codec: str) -> list[dict]:
    """All episodes in one file; returns per episode the columns of the episodes table."""
    file = root / "videos" / key / "chunk-000" / "file-000.mp4"
    single = [root / f"episode{number}.mp4" for number in range(len(episodes))]
    columns, start = [], 0.0
    for path, images in zip(single, episodes, strict=True):
        encode_video(path, images, fps, codec)
        stop = start + duration(path)
        place = {"chunk_index": 0, "file_index": 0, "from_timestamp": start, "to_timestamp": stop}
        columns.append({f"videos/{key}/{name}": value for name, value in place.items()})
        start = stop
    file.parent.mkdir(parents=True)
    concatenate_videos(single, file)
    for path in single:
        path.unlink()
    return columns


def png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG")
    return stream.getvalue()


def frame_tables(episodes: list[list[np.ndarray]], fps: int) -> list[pa.Table]:
    """Per episode the rows of its frames, with the pictures of the camera `IMAGE`."""
    tables = []
    for number, images in enumerate(episodes):
        columns = {
            IMAGE: [{"bytes": png(image), "path": f"frame-{i:06d}.png"} for i, image in enumerate(images)],
            "timestamp": pa.array([i / fps for i in range(len(images))], pa.float32()),
            "frame_index": list(range(len(images))),
            "episode_index": [number] * len(images),
            "task_index": [0] * len(images),
        }
        tables.append(pa.table(columns))
    return tables


def write_data(root: Path, episodes: list[list[np.ndarray]], fps: int) -> None:
    """The rows of all frames in one file; one row group per episode."""
    file = root / "data" / "chunk-000" / "file-000.parquet"
    file.parent.mkdir(parents=True)
    tables = frame_tables(episodes, fps)
    with pq.ParquetWriter(file, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)


def write_lerobot(root: Path, episodes: dict, tasks: list[list[str]], fps=10, codec="libx264", version="v3.0") -> Path:
    """Writes a dataset; `episodes` maps `VIDEO`, `SECOND_VIDEO` and `IMAGE` to lists of episodes' lists of RGB images.

    Returns the episodes table.
    """
    lengths = [len(images) for images in next(iter(episodes.values()))]
    rows = [
        {"episode_index": number, "tasks": sentences, "length": length, "data/chunk_index": 0, "data/file_index": 0}
        for number, (sentences, length) in enumerate(zip(tasks, lengths, strict=True))
    ]
    features = {"observation.state": {"dtype": "float32", "shape": [14], "names": None}}
    for key, pictures in episodes.items():
        height, width, _ = pictures[0][0].shape
        dtype = "image" if key == IMAGE else "video"
        features[key] = {"dtype": dtype, "shape": [height, width, 3], "names": ["height", "width", "channels"]}
        if key != IMAGE:
            for row, columns in zip(rows, write_videos(root, key, pictures, fps, codec), strict=True):
                row.update(columns)
    write_data(root, episodes.get(IMAGE, next(iter(episodes.values()))), fps)
    table = root / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    table.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), table)
    sentences = sorted({sentence for episode in tasks for sentence in episode})
    pd.DataFrame({"task_index": range(len(sentences))}, index=pd.Index(sentences, name="task")).to_parquet(
        root / "meta" / "tasks.parquet"
    )
    info = {
        "codebase_version": version,
        "fps": fps,
        "features": features,
        "total_episodes": len(rows),
        "total_frames": sum(lengths),
        "chunks_size": 1000,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "robot_type": "so100",
        "splits": {"train": f"0:{len(rows)}"},
    }
    (root / "meta" / "info.json").write_text(json.dumps(info, indent=4))
    return table


def write_lerobot_v2(root: Path, episodes: dict, tasks: list[list[str]], fps=10, version="v2.1", chunk=1000) -> Path:
    """Writes a dataset as LeRobot v0.3.3 does (src/lerobot/datasets/utils.py), with `chunk` episodes to a folder.

    `episodes` maps `VIDEO` and `IMAGE` to lists of episodes' lists of RGB images. Returns episodes.jsonl.
    """
    data_path = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    video_path = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
    features = {}
    for key, pictures in episodes.items():
        features[key] = {"dtype": "image" if key == IMAGE else "video", "shape": list(pictures[0][0].shape)}
        for number, images in enumerate(pictures):
            place = {"episode_chunk": number // chunk, "episode_index": number, "video_key": key}
            if key != IMAGE:
                encode_video(root / video_path.format(**place), images, fps)
    pictures = episodes.get(IMAGE, next(iter(episodes.values())))
    sentences = list(dict.fromkeys(sentence for episode in tasks for sentence in episode))
    for number, table in enumerate(frame_tables(pictures, fps)):
        file = root / data_path.format(episode_chunk=number // chunk, episode_index=number)
        file.parent.mkdir(parents=True, exist_ok=True)
        index = [sentences.index(tasks[number][0]) if tasks[number] else -1] * len(table)
        column = table.schema.get_field_index("task_index")
        pq.write_table(table.set_column(column, "task_index", pa.array(index)), file)
    (root / "meta").mkdir()
    lengths = [len(images) for images in pictures]
    rows = [{"episode_index": n, "tasks": tasks[n], "length": length} for n, length in enumerate(lengths)]
    _write_lines(root / "meta" / "episodes.jsonl", rows)
    _write_lines(root / "meta" / "tasks.jsonl", [{"task_index": i, "task": text} for i, text in enumerate(sentences)])
    info = {
        "codebase_version": version,
        "fps": fps,
        "features": features,
        "chunks_size": chunk,
        "data_path": data_path,
        "video_path": video_path,
        "splits": {"train": f"0:{len(rows)}"},
    }
    (root / "meta" / "info.json").write_text(json.dumps(info, indent=4))
    return root / "meta" / "episodes.jsonl"


def _write_lines(file: Path, rows: list[dict]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
