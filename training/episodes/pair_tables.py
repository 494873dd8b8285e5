"""Ready pairs in the forms of Hugging Face's `datasets`, with the columns input_image, edit_prompt, edited_image.

    **/*.parquet           as on the Hub; with the pictures in the rows
    **/*.arrow             as `save_to_disk` writes it
    **/metadata.jsonl      an ImageFolder: input_image_file_name, edit_prompt, edited_image_file_name

A column `task` names each row's task; without one it is the option's, or the folder's name. The splits that the files
may have are not kept: give one split's folder to read only that. A pair's number counts the rows in the order of the
files' names.

Source of the columns' names: diffusers, examples/instruct_pix2pix/train_instruct_pix2pix.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from training.episodes.episode import Episode, EpisodeError
from training.episodes.files import absolute, json_lines, reading
from training.episodes.instructions import missing_instructions, sentences
from training.episodes.pair_frames import EDITED, INPUT, FilePair, PairFrames, TablePair, open_arrow
from training.episodes.reader import GROUP_COLUMNS, SourceOptions, attempt

PROMPT = "edit_prompt"
_PATTERNS = ("*.parquet", "*.arrow", "metadata.jsonl")
_DAMAGED = "no table, or a damaged one"
_LEVELS = ("", "*/", "*/*/")


class _Row(NamedTuple):
    """A row: the frames, and the plain values of the other columns."""

    frames: PairFrames
    values: dict[str, Any]


def find_tables(path: Path) -> list[Path]:
    """The files of pairs at a path, all of the first kind that there is: parquet, Arrow, metadata.jsonl.

    Only files are counted that have the columns of pairs. (Other datasets are parquet tables, too.)
    """
    if path.is_file():
        return [path] if path.suffix in (".parquet", ".arrow", ".jsonl") and _has_pairs(path) else []
    for pattern in _PATTERNS:
        with reading(path):
            files = sorted(file for level in _LEVELS for file in path.glob(level + pattern))
        if any(map(_has_pairs, files)):
            return [file for file in files if _has_pairs(file, if_damaged=True)]  # so that reading it tells
    return []


def list_pairs(path: Path, options: SourceOptions) -> Iterator[Episode | EpisodeError]:
    """Yields the pair of each row. Raises EpisodeError for a damaged table, or a group column that is not there."""
    number = 0
    common = options.task or absolute(path if path.is_dir() else path.parent).name
    for file in find_tables(path):
        for row in _rows(file, options):
            task = row.values.get("task", common)
            yield attempt(str(task), number, partial(_open_pair, row, task, number, options))
            number += 1


def _open_pair(row: _Row, task: Any, number: int, options: SourceOptions) -> Episode:
    file = row.frames.file
    if not isinstance(task, str):
        raise EpisodeError(file, f"row {number}: its task is {task!r}, expected a name")
    given, prompt = options.phrasings(task), row.values.get(PROMPT)
    if not given and prompt in (None, ""):
        raise missing_instructions(file, f"row {number} has no {PROMPT}")
    seen, unseen = given or (sentences([prompt], file, PROMPT), ())
    column = _group_column(row.values, options, file)
    group = None if column is None else f"{column} {row.values[column]}"
    return Episode(task, number, row.frames, options.pair_step, seen, unseen, file, group=group)


def _group_column(values: dict[str, Any], options: SourceOptions, file: Path) -> str | None:
    if options.group_column is None:
        return next((name for name in GROUP_COLUMNS if name in values), None)
    if options.group_column not in values:
        raise EpisodeError(file, f"no column {options.group_column!r}; it has {', '.join(sorted(values))}")
    return options.group_column


def _has_pairs(file: Path, if_damaged: bool = False) -> bool:
    """Whether a file's columns are those of pairs."""
    try:
        if file.suffix == ".jsonl":
            return {f"{INPUT}_file_name", f"{EDITED}_file_name"} <= set(next(json_lines(file), (0, {}))[1])
        return {INPUT, EDITED} <= set(_columns(file))
    except EpisodeError:
        return if_damaged


def _columns(file: Path) -> dict[str, pa.DataType]:
    """Types of a table's columns by name. Raises EpisodeError."""
    with reading(file, _DAMAGED):
        if file.suffix == ".parquet":
            schema = pq.read_schema(file)
        else:
            with pa.memory_map(str(file)) as source:
                schema = pa.ipc.open_stream(source).schema
        return {field.name: field.type for field in schema}


def _rows(file: Path, options: SourceOptions) -> Iterator[_Row]:
    if file.suffix == ".jsonl":
        yield from _folder_rows(file, options)
        return
    names = [name for name, kind in _columns(file).items() if _is_plain(kind)]
    for group, table in enumerate(_groups(file, names)):
        with reading(file, _DAMAGED):
            rows = table.to_pylist()
        for row, values in enumerate(rows):
            yield _Row(TablePair(file, group, row, options.horizon), values)


def _groups(file: Path, names: list[str]) -> Iterator[pa.Table]:
    """Yields the groups of a table's rows, these columns only."""
    if file.suffix == ".arrow":
        yield open_arrow(file).select(names)
        return
    with reading(file, _DAMAGED):
        table = pq.ParquetFile(file)
        for group in range(table.num_row_groups):
            yield table.read_row_group(group, columns=names, use_threads=False)


def _is_plain(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)


def _folder_rows(file: Path, options: SourceOptions) -> Iterator[_Row]:
    for number, values in json_lines(file):
        pictures = [_inside(file, number, values.get(f"{column}_file_name")) for column in (INPUT, EDITED)]
        yield _Row(FilePair(*pictures, options.horizon), values)


def _inside(file: Path, line: int, name: Any) -> Path:
    """A picture of an ImageFolder. Raises EpisodeError for one that is not in the folder."""
    if not isinstance(name, str) or not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise EpisodeError(file, f"line {line}: {name!r} is not a picture in this folder")
    return file.parent / name
