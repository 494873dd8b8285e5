"""The dataset card, README.md as the Hugging Face Hub shows it, and its picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import yaml

from training.dataset.index import DatasetManifest, EpisodeRecord
from training.dataset.options import DatasetOptions
from training.dataset.pairs import future_frame
from training.dataset.plan import episode_size
from training.dataset.selection import Selection
from training.dataset.stored_frames import frame_name

CARD_NAME = "README.md"
EXAMPLE_NAME = "example.png"

_COUNTS = ("episodes", "frames", "pairs", "rows")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))  # the Hub's words
_LARGEST_SIZE = "1M<n<10M"
_EXAMPLES = 4  # rows of the picture
_GAP = 6  # pixels
_LABEL_HEIGHT = 22  # pixels

_TEXT = """\
# What a robot's camera shows, and what it shows {horizon} steps later

Each row is a camera frame (`input_image`), an instruction (`edit_prompt`) and the frame {horizon} steps
({seconds:.4g} s) later (`edited_image`), {width}x{height} RGB, from recorded episodes. `task`, `episode` and `frame`
say where it is from; `phrasing` says whether the instruction is one of those kept for testing ("unseen").

![Now and {horizon} steps later]({example})

{counts}

{split}

## Sources

{sources}

{left_out}

## Made with

```bash
python -m training.build_dataset SOURCE... --out DIR{options}
```

`manifest.json` has all options, all phrasings, and a SHA-256 of every source episode.

## Use

```python
from datasets import {loader}
dataset = {loader}("path/of/this/folder")
```
"""

_SPLIT_BY = {
    "episode": "Each episode is in one split: neighbouring frames are near-duplicates, and a split by pair would leak.",
    "pair": "Pairs were split one by one: **most test frames have near-duplicates in train**, so scores are too good.",
}


def write_card(manifest: DatasetManifest, target: Path, data_files: str, loader: str = "load_dataset") -> None:
    """Writes README.md.

    Args:
        manifest: of the dataset.
        target: the folder it describes.
        data_files: where that folder has a split's files, such as "{split}/**".
        loader: the function of `datasets` that opens it.
    """
    splits = sorted(manifest.splits, reverse=True)
    header = {
        "pretty_name": f"Robot camera frames {manifest.horizon} steps apart",
        "task_categories": ["image-to-image"],
        "tags": ["robotics", "future-frame-prediction", "instruct-pix2pix"],
        "size_categories": [_size_category(sum(counts["rows"] for counts in manifest.splits.values()))],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": data_files.format(split=split)} for split in splits],
            }
        ],
    }
    text = _TEXT.format(
        horizon=manifest.horizon,
        seconds=manifest.horizon * manifest.step_duration,
        width=manifest.image_size[0],
        height=manifest.image_size[1],
        example=EXAMPLE_NAME,
        counts=_markdown(["task", "split", *_COUNTS], _count_lines(manifest, splits)),
        split=_SPLIT_BY[manifest.split_by],
        sources=_markdown(["", "name", "format", "camera", "episodes", "pairs", "for"], _source_lines(manifest)),
        left_out=f"Left out: {len(manifest.skipped)} episodes too short for a pair, {len(manifest.bad)} unreadable.",
        options="".join(_given_options(manifest)),
        loader=loader,
    )
    front_matter = yaml.safe_dump(header, sort_keys=False)
    (target / CARD_NAME).write_text(f"---\n{front_matter}---\n\n{text}", encoding="utf-8")


def write_example(manifest: DatasetManifest, selection: Selection, dataset: Path) -> None:
    """Writes example.png: a pair of each of the first tasks, from the middle of an episode."""
    rows = [_example(manifest, selection, dataset, task) for task in manifest.tasks[:_EXAMPLES]]
    cv2.imwrite(str(dataset / EXAMPLE_NAME), np.vstack(rows))


def _example(manifest: DatasetManifest, selection: Selection, dataset: Path, task: str) -> np.ndarray:
    record = next(record for record in manifest.episodes if record.task == task)
    split, starts = next(iter(selection.pairs(episode_size(record)).items()))
    now = starts[len(starts) // 2]
    later = future_frame(now, manifest.horizon, record.frames)
    pictures = []
    for index, label in ((now, f"{task}, now"), (later, f"{later - now} steps later")):
        picture = cv2.imread(str(dataset / split / task / frame_name(record.number, index)))
        picture = cv2.copyMakeBorder(picture, _LABEL_HEIGHT, _GAP, 0, _GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        cv2.putText(picture, label, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        pictures.append(picture)
    return np.hstack(pictures)


def _count_lines(manifest: DatasetManifest, splits: Sequence[str]) -> Iterator[list[object]]:
    for task in manifest.tasks:
        for split in splits:
            if task in manifest.splits[split]["tasks"]:
                counts = manifest.splits[split]["tasks"][task]
                yield [task, split, *(f"{counts[name]:,}" for name in _COUNTS)]
    for split in splits:
        yield ["all", split, *(f"{manifest.splits[split][name]:,}" for name in _COUNTS)]


def _source_lines(manifest: DatasetManifest) -> Iterator[list[object]]:
    for index, source in enumerate(manifest.source):
        records: list[EpisodeRecord] = [record for record in manifest.episodes if record.source == index]
        counts = (f"{len(records):,}", f"{sum(record.pairs for record in records):,}")
        purpose = "training only" if source.get("split") == "train" else "training and testing"
        yield [index, source["name"], source["format"], source["camera"], *counts, purpose]


def _given_options(manifest: DatasetManifest) -> Iterator[str]:
    """The command's options that are not the defaults."""
    defaults = DatasetOptions()
    for field in fields(DatasetOptions):
        value = getattr(manifest, field.name)
        if value != getattr(defaults, field.name):
            name = field.name.replace("_", "-")
            yield f" --{name}" if value is True else f" --{name} {value}"
    for source in manifest.source:
        if source.get("split") == "train":
            yield f" --train-only {source['name']}"


def _markdown(header: Sequence[str], lines: Iterator[list[object]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def _size_category(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), _LARGEST_SIZE)
