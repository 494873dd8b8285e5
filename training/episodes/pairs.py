"""Ready pairs, as people who come from InstructPix2Pix have them: no episodes, only two pictures and an instruction.

    PAIRS/{task}/input/000.png, PAIRS/{task}/target/000.png         or .jpg, .jpeg; the number names the pair
    PAIRS/{task}/instructions.json, PAIRS/instructions/{task}.json  as beside extracted frames; or `--instruction`

or the tables and folders of Hugging Face's `datasets`, with the columns that diffusers' script takes (see pair_tables):

    PAIRS/**/*.parquet, PAIRS/**/*.arrow, PAIRS/**/metadata.jsonl   input_image, edit_prompt, edited_image

How many steps the two pictures are apart is not in the files: it is the horizon among the options. Each pair is an
episode of its own, so that a dataset is split by pair; rows of a table that share the value of a group column stay
together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import partial
from pathlib import Path

from training.episodes import pair_tables
from training.episodes.episode import Episode, EpisodeError
from training.episodes.files import absolute, reading
from training.episodes.instructions import phrasings_of_folder
from training.episodes.pair_frames import FilePair
from training.episodes.reader import Listing, Reader, SourceOptions, attempt

_PICTURE = re.compile(r"(?:.*?\D)?(\d{1,9})\.(?:png|jpe?g)", re.ASCII | re.IGNORECASE)
_INPUT, _TARGET = "input", "target"


def recognises(path: Path) -> bool:
    """Whether the path is a task's folder of pairs, a folder of such, or tables with pairs."""
    return bool(_task_folders(path)) or bool(pair_tables.find_tables(path))


def list_episodes(path: Path, options: SourceOptions) -> Listing:
    """Lists the pairs. One is unusable if a picture is missing, or it has no or malformed instructions.

    Raises:
        EpisodeError: damaged tables, or a group column that is not there.
    """
    entries: list[Episode | EpisodeError] = []
    for folder in _task_folders(path):
        entries.extend(_list_folder(folder, options))
    if not entries:
        entries.extend(pair_tables.list_pairs(path, options))
    return Listing("pairs", entries)


READER = Reader(
    "{task}/input/000.png and {task}/target/000.png, or tables with input_image, edit_prompt and edited_image",
    recognises,
    list_episodes,
)


def _task_folders(path: Path) -> list[Path]:
    """The path itself if it holds pairs, else the folders in it that do."""

    def holds_pairs(folder: Path) -> bool:
        return (folder / _INPUT).is_dir() and (folder / _TARGET).is_dir()

    if not path.is_dir():
        return []
    if holds_pairs(path):
        return [path]
    with reading(path):
        return sorted(filter(holds_pairs, path.iterdir()))


def _list_folder(folder: Path, options: SourceOptions) -> list[Episode | EpisodeError]:
    task = absolute(folder).name
    sides = [_pictures(folder / name) for name in (_INPUT, _TARGET)]
    return [
        attempt(task, number, partial(_open_pair, folder, task, number, sides, options))
        for number in sorted(set(sides[0]) | set(sides[1]))
    ]


def _pictures(folder: Path) -> dict[int, list[Path]]:
    """The pictures in a folder by their number."""
    found: dict[int, list[Path]] = defaultdict(list)
    with reading(folder):
        for entry in sorted(folder.iterdir()):
            if match := _PICTURE.fullmatch(entry.name):
                found[int(match[1])].append(entry)
    return found


def _open_pair(
    folder: Path, task: str, number: int, sides: list[dict[int, list[Path]]], options: SourceOptions
) -> Episode:
    for name, side in zip((_INPUT, _TARGET), sides, strict=True):
        files = side.get(number, [])
        if len(files) != 1:
            names = " and ".join(file.name for file in files)
            reason = f"pair {number} has {names}" if files else f"pair {number} has no picture"
            raise EpisodeError(folder / name, reason)
    frames = FilePair(sides[0][number][0], sides[1][number][0], options.horizon)
    seen, unseen = options.phrasings(task) or phrasings_of_folder(folder, task)
    return Episode(task, number, frames, options.pair_step, seen, unseen, frames.file)
