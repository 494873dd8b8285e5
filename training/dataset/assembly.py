"""Lay a dataset folder out: frames, rows, manifest, card. What is in memory at a time is one episode's rows."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from training.dataset.card import write_card, write_example
from training.dataset.index import MANIFEST_NAME, METADATA_NAME, DatasetManifest
from training.dataset.pairs import EpisodeKey
from training.dataset.plan import episode_key
from training.dataset.rows import episode_rows
from training.dataset.selection import Selection
from training.dataset.stored_frames import StoredEpisode, frame_name


def assemble(
    manifest: DatasetManifest, selection: Selection, stored: dict[EpisodeKey, StoredEpisode], target: Path
) -> None:
    """Makes the dataset in the new folder `target`; frames are linked, not copied, where the file system can."""
    shutil.rmtree(target, ignore_errors=True)
    with ExitStack() as files:
        metadata: dict[str, TextIO] = {}
        for split in manifest.splits:
            (target / split).mkdir(parents=True)
            metadata[split] = files.enter_context((target / split / METADATA_NAME).open("w", encoding="utf-8"))
        for record in manifest.episodes:
            frames: dict[str, set[int]] = {}
            for split, row in episode_rows(record, manifest, selection):
                metadata[split].write(_metadata_line(row))
                frames.setdefault(split, set()).update((row["input_image"], row["edited_image"]))
            for split, indices in frames.items():
                _link_frames(stored[episode_key(record)], sorted(indices), target / split / record.task)
    (target / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    write_example(manifest, selection, target)
    write_card(manifest, target, "{split}/**")
    for form in manifest.embedded:
        from training.dataset.embedding import embed  # late: worker processes import this module, but not `datasets`

        embed(form, manifest, target)


def _metadata_line(row: dict[str, Any]) -> str:
    """One line of metadata.jsonl. ImageFolder turns the keys ending in `_file_name` into columns of decoded images."""
    line = {}
    for column, value in row.items():
        if column.endswith("_image"):
            line[f"{column}_file_name"] = f"{row['task']}/{frame_name(row['episode'], value)}"
        else:
            line[column] = value
    return json.dumps(line, ensure_ascii=False) + "\n"


def _link_frames(stored: StoredEpisode, indices: Iterable[int], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for index in indices:
        source, target = stored.frame_path(index), folder / frame_name(stored.number, index)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
