"""Where RoboTwin's HDF5 episodes lie in their folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.episodes.episode import EpisodeError
from training.episodes.files import absolute, reading

# Levels between the folder `data` of a checkout and the folders `data` of episodes.
_LEVELS = 4


@dataclass(frozen=True)
class Hdf5Tree:
    """The files .../{task}/{set-up}/data/{file name}; group 1 of the pattern of their names is the number."""

    file_name: re.Pattern

    def contains_any(self, path: Path) -> bool:
        """Whether the path is such a file, or a folder at any level above one."""
        return next(self._files(path), None) is not None

    def episodes(self, path: Path) -> list[tuple[str, int, Path]]:
        """Task, number and file of each episode, ordered by task and number.

        Raises:
            EpisodeError: a task has several folders of episodes, of different set-ups.
        """
        folders: dict[str, Path] = {}
        found = []
        for file in self._files(path):
            folder = absolute(file).parent
            task = "" if len(folder.parents) < 2 else folder.parents[1].name
            other = folders.setdefault(task, folder)
            if other != folder:
                raise EpisodeError(folder, f"a second set-up of the task {task}, beside {other}; give each by itself")
            found.append((task, int(self.file_name.fullmatch(file.name)[1]), file))
        return sorted(found)

    def _files(self, path: Path) -> Iterator[Path]:
        with reading(path):
            if path.is_file():
                candidates = iter([path])
            else:
                levels = ["*.hdf5", *("*/" * level + "data/*.hdf5" for level in range(_LEVELS + 1))]
                candidates = (file for level in levels for file in path.glob(level))
            yield from (file for file in candidates if self.file_name.fullmatch(file.name))
