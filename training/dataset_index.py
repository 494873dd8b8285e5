"""Read a dataset folder that `training.build_dataset` wrote: its manifest and the rows of a split.

The folder is a Hugging Face ImageFolder; `datasets.load_dataset(folder)` opens it too and decodes the pictures. This
module gives the same rows as paths, without decoding anything, for code that reads frames its own way.

    DIR/framepred_dataset.json                    the manifest: horizon, seed, counts, phrasings
    DIR/{split}/metadata.jsonl                    one pair per line
    DIR/{split}/{task}/episode{i}_frame{j}.jpg    the frames, each stored once (file names of the paper, section 3.2)

Frames lie under their split because `datasets` refuses file names in metadata that leave the metadata file's folder.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FORMAT_VERSION = 1
MANIFEST_NAME = "framepred_dataset.json"
METADATA_NAME = "metadata.jsonl"


class DatasetError(ValueError):
    """A folder is not a dataset of ours, or lacks what was asked of it. The message names the folder or file."""


@dataclass(frozen=True, slots=True)
class Row:
    """One pair: the current frame, the instruction, and the frame `horizon` steps later.

    `input_image` and `edited_image` are absolute paths of JPEG files (RGB); `frame` is the index of the current frame
    in its episode; `phrasing` says whether `prompt` is one of the episode's "seen" or "unseen" phrasings.
    """

    input_image: Path
    edited_image: Path
    prompt: str
    task: str
    episode: int
    frame: int
    phrasing: str


@dataclass(frozen=True)
class EpisodeRecord:
    """One source episode: `frames` counts the frames of the source, `fingerprint` identifies its contents."""

    task: str
    number: int
    split: str
    frames: int
    pairs: int
    fingerprint: str
    seen: tuple[str, ...]
    unseen: tuple[str, ...]


@dataclass(frozen=True)
class DatasetManifest:
    """What `framepred_dataset.json` says. `horizon` and `stride` are in steps, `step_duration` in seconds.

    `image_size` is (width, height) in pixels. `splits` holds per split the counts of episodes, frames (stored pictures)
    and pairs, in all and per task. `skipped` lists the episodes too short for a pair.
    """

    source: dict[str, str]
    horizon: int
    step_duration: float
    seed: int
    test_fraction: float
    stride: int
    jpeg_quality: int
    image_size: tuple[int, int]
    splits: dict[str, dict[str, Any]]
    phrasings: dict[str, dict[str, list[str]]]
    episodes: tuple[EpisodeRecord, ...]
    skipped: tuple[dict[str, Any], ...] = ()
    format_version: int = field(default=FORMAT_VERSION)

    @property
    def tasks(self) -> list[str]:
        """Names of all tasks, sorted."""
        return sorted({episode.task for episode in self.episodes})

    def to_json(self) -> str:
        """The manifest as indented JSON text; the same manifest always gives the same bytes."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> DatasetManifest:
        """Inverse of `to_json`. Raises ValueError, KeyError or TypeError for anything else."""
        fields = json.loads(text)
        version = fields["format_version"]
        if version != FORMAT_VERSION:
            raise ValueError(f"format version {version}, but this program reads version {FORMAT_VERSION}")
        fields["episodes"] = tuple(
            EpisodeRecord(**{**record, "seen": tuple(record["seen"]), "unseen": tuple(record["unseen"])})
            for record in fields["episodes"]
        )
        fields["image_size"] = tuple(fields["image_size"])
        fields["skipped"] = tuple(fields["skipped"])
        return cls(**fields)


def load_manifest(folder: str | Path) -> DatasetManifest:
    """The manifest of the dataset in `folder`. Raises DatasetError if it is missing or unreadable."""
    path = Path(folder) / MANIFEST_NAME
    if not path.is_file():
        raise DatasetError(f"{folder}: not a dataset folder, no {MANIFEST_NAME} (training.build_dataset writes it)")
    try:
        return DatasetManifest.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path}: unreadable manifest: {error!r}") from error


def load_split(folder: str | Path, split: str) -> list[Row]:
    """The rows of a split ("train" or "test"), ordered by task, episode and frame.

    Raises DatasetError if the folder is no dataset, the split is missing, or a row is malformed (with its line number).
    """
    manifest = load_manifest(folder)
    root = Path(folder).resolve() / split
    path = root / METADATA_NAME
    if split not in manifest.splits or not path.is_file():
        raise DatasetError(f"{folder}: no split {split!r}; it has {', '.join(sorted(manifest.splits))}")
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                rows.append(_parse_row(root, json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(f"{path}: line {number} is malformed: {error!r}") from error
    return rows


def _parse_row(root: Path, line: dict[str, Any]) -> Row:
    return Row(
        input_image=root / line["input_image_file_name"],
        edited_image=root / line["edited_image_file_name"],
        prompt=line["edit_prompt"],
        task=line["task"],
        episode=int(line["episode"]),
        frame=int(line["frame"]),
        phrasing=line["phrasing"],
    )
