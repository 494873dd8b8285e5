"""The rows with their pictures in them, in shards: Parquet for the Hugging Face Hub, Arrow for `load_from_disk`.

    DIR/parquet/data/{split}-{k}-of-{n}.parquet     upload this folder; `datasets.load_dataset(folder)` opens it
    DIR/arrow/{split}/data-{k}-of-{n}.arrow         as `Dataset.save_to_disk` writes it, memory-mapped when opened

One batch of rows is in memory at a time, however many there are.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import DatasetInfo, Features, Image, Value
from tqdm import tqdm

from training.dataset.card import EXAMPLE_NAME, write_card
from training.dataset.index import METADATA_NAME, DatasetManifest

BATCH_ROWS = 100  # also a row group of Parquet: what the Hub's viewer has to read to show one page
SHARD_BYTES = 256 * 2**20

FEATURES = Features(
    {
        "input_image": Image(),
        "edit_prompt": Value("string"),
        "edited_image": Image(),
        "task": Value("string"),
        "episode": Value("int64"),
        "frame": Value("int64"),
        "phrasing": Value("string"),
    }
)


@dataclass(frozen=True)
class Form:
    """A form of self-contained rows.

    Attributes:
        shard: name of a shard within the form's folder.
        open_shard: opens a file for tables; it has `write_table` and `close`.
        loader: the function of `datasets` that opens the folder.
    """

    shard: str
    open_shard: Callable[[str, pa.Schema], Any]
    loader: str


FORMS = {
    "parquet": Form("data/{split}-{number}.parquet", pq.ParquetWriter, "load_dataset"),
    "arrow": Form("{split}/data-{number}.arrow", pa.ipc.new_stream, "load_from_disk"),
}


def embed(form_name: str, manifest: DatasetManifest, dataset: Path, shard_bytes: int = SHARD_BYTES) -> None:
    """Writes the rows of all splits in the named form into the dataset folder, which has its frames and metadata.

    Args:
        form_name: a key of `FORMS`.
        manifest: of the dataset.
        dataset: its folder.
        shard_bytes: a shard is closed when its pictures reach this size.
    """
    form, folder = FORMS[form_name], dataset / form_name
    for split, counts in manifest.splits.items():
        with tqdm(total=counts["rows"], unit="row", desc=f"{form_name} {split}", disable=None) as bar:
            batches = _batches(dataset / split, bar.update)
            names = _write_shards(batches, form, folder, split, shard_bytes)
        if form_name == "arrow":
            _describe_split(folder / split, split, names, manifest)
    if form_name == "arrow":
        (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(manifest.splits)}))
    shutil.copyfile(dataset / EXAMPLE_NAME, folder / EXAMPLE_NAME)
    write_card(manifest, folder, form.shard.format(split="{split}", number="*"), form.loader)


def _batches(split_folder: Path, on_rows: Callable[[int], object]) -> Iterator[list[dict[str, Any]]]:
    with (split_folder / METADATA_NAME).open(encoding="utf-8") as lines:
        while batch := [_embedded(json.loads(line), split_folder) for line in islice(lines, BATCH_ROWS)]:
            yield batch
            on_rows(len(batch))


def _embedded(row: dict[str, Any], split_folder: Path) -> dict[str, Any]:
    """A row of metadata.jsonl with the JPEG files' bytes in place of their names."""
    for column, feature in FEATURES.items():
        if isinstance(feature, Image):
            path = split_folder / row[f"{column}_file_name"]
            row[column] = {"bytes": path.read_bytes(), "path": path.name}
    return {column: row[column] for column in FEATURES}


def _write_shards(
    batches: Iterator[list[dict[str, Any]]], form: Form, folder: Path, split: str, shard_bytes: int
) -> list[str]:
    """Writes the batches and returns the shards' file names, which say how many there are."""
    shards: list[Path] = []
    writer, size = None, 0
    for batch in batches:
        if writer is None:
            shards.append(folder / form.shard.format(split=split, number=f"{len(shards):05d}"))
            shards[-1].parent.mkdir(parents=True, exist_ok=True)
            writer, size = form.open_shard(str(shards[-1]), FEATURES.arrow_schema), 0
        table = pa.Table.from_pylist(batch, FEATURES.arrow_schema)
        writer.write_table(table)
        size += table.nbytes
        if size >= shard_bytes:
            writer.close()
            writer = None
    if writer is not None:
        writer.close()
    named = [path.with_stem(f"{path.stem}-of-{len(shards):05d}") for path in shards]
    return [path.rename(name).name for path, name in zip(shards, named, strict=True)]


def _describe_split(folder: Path, split: str, shards: list[str], manifest: DatasetManifest) -> None:
    """Writes what `Dataset.save_to_disk` writes beside its shards; the fingerprint names the contents for caches."""
    state = {
        "_data_files": [{"filename": name} for name in shards],
        "_fingerprint": hashlib.sha256(f"{manifest.to_json()}{split}".encode()).hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    (folder / "state.json").write_text(json.dumps(state, indent=2, sort_keys=True))
    DatasetInfo(features=FEATURES).write_to_directory(str(folder), pretty_print=True)
