"""The plain way from RoboTwin 1.0 pickles to a dataset: what a script of forty lines does.

python -m benchmarks.dataset_plain EPISODES --out DIR

One process; `pickle.load`, which runs whatever the file says, so only for episodes of one's own; Pillow writes the
frames, `Dataset.from_list(...).save_to_disk` the pairs. It does not split, check, resume or publish in one step.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
from pathlib import Path

import datasets
from PIL import Image

HORIZON = 50


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dataset_plain", description=__doc__.splitlines()[0])
    parser.add_argument("episodes", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = []
    for folder in sorted(args.episodes.glob("*_pkl/episode*")):
        rows += convert(folder, args.out / "frames")
    picture = datasets.Image()
    dataset = datasets.Dataset.from_list(rows).cast_column("input_image", picture).cast_column("edited_image", picture)
    dataset.save_to_disk(str(args.out / "dataset"))
    return 0


def convert(folder: Path, target: Path) -> list[dict[str, str]]:
    """Writes an episode's frames as JPEG files; returns its pairs."""
    task = folder.parent.name.removesuffix("_pkl").rsplit("_", 1)[0]
    instructions = json.loads((folder.parents[1] / "instructions" / f"{task}.json").read_text())["instructions"]
    (target / task).mkdir(parents=True, exist_ok=True)
    names = []
    for index in range(len(list(folder.glob("*.pkl")))):
        with (folder / f"{index}.pkl").open("rb") as file:
            frame = pickle.load(file)["observation"]["head_camera"]["rgb"]
        names.append(str(target / task / f"{folder.name}_frame{index}.jpg"))
        Image.fromarray(frame).save(names[-1], quality=95, subsampling=0)
    return [
        {
            "input_image": names[index],
            "edit_prompt": instructions[index % len(instructions)],
            "edited_image": names[index + HORIZON],
        }
        for index in range(len(names) - HORIZON)
    ]


if __name__ == "__main__":
    sys.exit(main())
