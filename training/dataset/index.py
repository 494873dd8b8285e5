"""Read a dataset folder that `training.build_dataset` wrote: its manifest and the rows of a split.

The folder is a Hugging Face ImageFolder; `datasets.load_dataset(folder)` opens it too and decodes the pictures. This
module gives the same rows as paths, without decoding anything, for code that reads frames its own way.

    DIR/manifest.json                             options, counts, phrasings, and a checksum of each source episode
    DIR/README.md, DIR/example.png                the dataset card and its picture
    DIR/{split}/metadata.jsonl                    one pair and instruction per line
    DIR/{split}/{task}/episode{i}_frame{j}.jpg    the frames (file names of the paper, section 3.2)
    DIR/parquet/, DIR/arrow/                      if embedded: the same rows with the pictures in them

Frames lie under their split because `datasets` refuses file names in metadata that leave the metadata file's folder.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.dataset.options import DatasetOptions
from training.episodes.scene import Scene, parse_scene

FORMAT_VERSION = 2
MANIFEST_NAME = "manifest.json"
METADATA_NAME = "metadata.jsonl"
# What `DatasetManifest.digest` is made of, named one by one: fields that later versions add do not change it.
_DIGESTED_OPTIONS = (
    *("horizon", "stride", "tail", "max_pairs", "split_by", "test_fraction", "balance_tasks", "max_train_samples"),
    *("instructions_per_pair", "seed", "jpeg_quality"),
)
_DIGESTED_OF_EPISODES = ("task", "number", "split", "frames", "pairs", "checksum", "seen", "unseen")
_VERSION_1_MANIFEST = "framepred_dataset.json"


class DatasetError(ValueError):
    """A folder is not a dataset of ours, or lacks what was asked of it. The message names the folder or file."""


@dataclass(frozen=True, slots=True)
class Row:
    """One pair: the current frame, the instruction, and the frame `horizon` steps later.

    `input_image` and `edited_image` are absolute paths of JPEG files (RGB); `frame` is the index of the current frame
    in its episode; `phrasing` says whether `prompt` is one of the episode's "seen" or "unseen" phrasings. `horizon`
    None is the dataset's, or unknown.
    """

    input_image: Path
    edited_image: Path
    prompt: str
    task: str
    episode: int
    frame: int
    phrasing: str
    horizon: int | None = None


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode in the dataset.

    Attributes:
        task, number: name it in the dataset.
        split: "train", "test", or "both" for one whose pairs were split.
        frames: of the source.
        pairs: in the dataset, in both splits.
        checksum: SHA-256 over everything recorded of it.
        seen, unseen: its phrasings.
        source: index of its source.
        number_in_source: its number there; differs from `number` where an earlier source has the same task.
        scene: what is known of its scene; None where its source says nothing.
        group: what it is split with besides; None where its source says nothing.
    """

    task: str
    number: int
    split: str
    frames: int
    pairs: int
    checksum: str
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    source: int = 0
    number_in_source: int | None = None
    scene: Scene | None = None
    group: str | None = None


@dataclass(frozen=True)
class BadEpisode:
    """An episode left out because it cannot be read: `file` is relative to its source (an index), `reason` one line."""

    source: int
    file: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class DatasetManifest(DatasetOptions):
    """What `manifest.json` says: the options, and what came of them.

    Attributes:
        source: per source its "format", "camera" and "name" (of the folder or file), "split" where that is "train" for
            all of its episodes, and "channel_order" where it is not the format's own.
        step_duration: seconds.
        image_size: (width, height) in pixels.
        splits: per split the counts of episodes, frames (stored pictures), pairs and rows, in all and per task.
        phrasings: per task all seen and unseen ones.
        episodes: ordered by task and number.
        skipped: episodes too short for a pair.
        held_out: episodes left out because they show what is kept for tests, in scenes for training.
        bad: episodes that could not be read.
        embedded: forms in which the rows are also stored with their pictures: "parquet", "arrow".
    """

    source: tuple[dict[str, str], ...]
    step_duration: float
    image_size: tuple[int, int]
    splits: dict[str, dict[str, Any]]
    phrasings: dict[str, dict[str, list[str]]]
    episodes: tuple[EpisodeRecord, ...]
    skipped: tuple[dict[str, Any], ...] = ()
    held_out: tuple[dict[str, Any], ...] = ()
    bad: tuple[BadEpisode, ...] = ()
    embedded: tuple[str, ...] = ()
    format_version: int = FORMAT_VERSION

    @property
    def tasks(self) -> list[str]:
        """Names of all tasks, sorted."""
        return sorted({episode.task for episode in self.episodes})

    def digest(self) -> str:
        """A hash of what the pairs follow from: the episodes' content and splits, and how pairs are made of them.

        Names and places of the sources, and forms in which the rows are stored besides, do not count.
        """
        options = [getattr(self, name) for name in _DIGESTED_OPTIONS]
        episodes = [[getattr(record, name) for name in _DIGESTED_OF_EPISODES] for record in self.episodes]
        text = json.dumps([options, self.step_duration, self.image_size, episodes])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

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
        fields["episodes"] = tuple(_episode_record(record) for record in fields["episodes"])
        fields["bad"] = tuple(BadEpisode(**record) for record in fields["bad"])
        for name in ("source", "image_size", "skipped", "held_out", "embedded"):
            fields[name] = tuple(fields.get(name, ()))
        return cls(**fields)


def _episode_record(fields: dict[str, Any]) -> EpisodeRecord:
    scene = fields.get("scene")
    lists = {name: tuple(fields[name]) for name in ("seen", "unseen")}
    return EpisodeRecord(**{**fields, **lists, "scene": None if scene is None else parse_scene(scene)})


def load_manifest(folder: str | Path) -> DatasetManifest:
    """The manifest of the dataset in `folder`. Raises DatasetError if it is missing, unreadable or outdated."""
    path = Path(folder) / MANIFEST_NAME
    if (Path(folder) / _VERSION_1_MANIFEST).is_file():
        raise DatasetError(f"{folder}: a dataset of format version 1; build it again with training.build_dataset")
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
                rows.append(_parse_row(root, json.loads(line), manifest.horizon))
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(f"{path}: line {number} is malformed: {error!r}") from error
    return rows


def _parse_row(root: Path, line: dict[str, Any], horizon: int) -> Row:
    return Row(
        input_image=root / line["input_image_file_name"],
        edited_image=root / line["edited_image_file_name"],
        prompt=line["edit_prompt"],
        task=line["task"],
        episode=int(line["episode"]),
        frame=int(line["frame"]),
        phrasing=line["phrasing"],
        horizon=horizon,
    )
