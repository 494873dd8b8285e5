"""A synthetic dataset whose future depends on frame and instruction: a square that slides the way it is told."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np

from training.dataset.index import MANIFEST_NAME, METADATA_NAME, DatasetManifest, EpisodeRecord

TASKS = {
    "slide_left": ("slide the square to the left", "push it left"),
    "slide_right": ("slide the square to the right", "push it right"),
}


def make_moving_squares(
    folder: Path, size=(64, 96), episodes=4, frames=20, horizon=8, step=2, seed=0, stride=1
) -> Path:
    """Writes a dataset folder: per task `episodes` training episodes and one test episode.

    Args:
        size: (height, width) in pixels.
        horizon: frames between the two frames of a pair; the square moves `step` pixels a frame, then stops.
    """
    random = np.random.default_rng(seed)
    background = cv2.resize(random.integers(60, 200, (6, 8, 3), np.uint8), size[::-1], interpolation=cv2.INTER_CUBIC)
    records, counts = [], {"train": [], "test": []}
    for task, phrasings in TASKS.items():
        for number in range(episodes + 1):
            split = "train" if number < episodes else "test"
            pictures = list(_episode(random, background, frames, step if task == "slide_right" else -step))
            rows = _write_episode(folder / split, task, number, pictures, horizon, phrasings[0], stride)
            counts[split].extend(rows)
            checksum = hashlib.sha256(np.stack(pictures).tobytes()).hexdigest()
            records.append(EpisodeRecord(task, number, split, frames, len(rows), checksum, phrasings, ()))
    for split, rows in counts.items():
        (folder / split / METADATA_NAME).write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest = DatasetManifest(
        source=({"format": "moving squares", "camera": "camera", "name": "squares"},),
        horizon=horizon,
        step_duration=0.06,
        seed=seed,
        test_fraction=1 / (episodes + 1),
        stride=stride,
        jpeg_quality=95,
        image_size=size[::-1],
        splits={split: _counts(rows, [r for r in records if r.split == split]) for split, rows in counts.items()},
        phrasings={task: {"seen": list(phrasings), "unseen": []} for task, phrasings in TASKS.items()},
        episodes=tuple(records),
    )
    (folder / MANIFEST_NAME).write_text(manifest.to_json())
    return folder


def _counts(rows, records) -> dict:
    return {"episodes": len(records), "frames": len(rows), "pairs": len(rows), "tasks": {}}


def _episode(random, background, frames, step):
    height, width = background.shape[:2]
    side = height // 4
    row = int(random.integers(height - side))
    column = width - side - 2 if step < 0 else 2
    colour = random.integers(0, 256, 3)
    for _ in range(frames):
        picture = background.copy()
        picture[row : row + side, column : column + side] = colour
        yield picture
        column = int(np.clip(column + step, 0, width - side))


def _write_episode(folder, task, number, pictures, horizon, prompt, stride):
    (folder / task).mkdir(parents=True, exist_ok=True)
    names = []
    for index, picture in enumerate(pictures):
        names.append(f"{task}/episode{number}_frame{index}.jpg")
        cv2.imwrite(str(folder / names[-1]), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    return [
        {
            "input_image_file_name": names[index],
            "edited_image_file_name": names[index + horizon],
            "edit_prompt": prompt,
            "task": task,
            "episode": number,
            "frame": index,
            "phrasing": "seen",
        }
        for index in range(0, len(names) - horizon, stride)
    ]
