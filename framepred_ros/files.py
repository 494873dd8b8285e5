"""Files and folders that are whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY, OLD, PARTIAL = ".tmp", ".old", ".partial"


@contextmanager
def replacing(path: str | os.PathLike, ending: str = "") -> Iterator[Path]:
    """Yields a temporary path beside `path`; what is written there takes the place of `path` when the block ends.

    If the block raises, the temporary file is removed and `path` stays as it was.

    Args:
        ending: what the temporary name must end in, for writers that choose the format by it, such as ".mp4".
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}{ending}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a UTF-8 text file. A reader sees the old content or the new one, never half of it."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file. A reader sees the old content or the new one, never half of it."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def new_folder(folder: str | os.PathLike) -> Iterator[Path]:
    """Yields an empty folder, `{folder}.partial`, that becomes `folder` when the block ends.

    What was at `folder` before is removed then. If the block raises, the partial folder is removed and `folder` stays.
    """
    folder = Path(folder)
    partial = folder.with_name(folder.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def temporary_folder(target: Path) -> Path:
    """The path beside `target` to fill for `replace_folder`; `finish_replacement` removes it if that never happens."""
    return target.with_name(f".{target.name}.{os.getpid()}{TEMPORARY}")


@contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """Yields a path beside `target` at which a folder is to be made, which takes its place at the block's end.

    If the block raises, `target` stays as it was and nothing is left beside it.
    """
    temporary = temporary_folder(target)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        yield temporary
        replace_folder(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(new: Path, target: Path) -> None:
    """Replaces an older folder by a finished one. At no moment is half a folder there."""
    old = target.with_name(f".{target.name}.{os.getpid()}{OLD}")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def finish_replacement(target: Path) -> None:
    """Removes what an interrupted `replace_folder` has left; the older folder comes back if there is no newer one."""
    for old in _beside(target, OLD):
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)
    for unfinished in _beside(target, TEMPORARY):
        shutil.rmtree(unfinished)


def remove_unfinished(folder: Path) -> None:
    """Removes the temporary files that killed processes have left in `folder`; no process may be writing there."""
    for path in folder.glob(f".*{TEMPORARY}"):
        path.unlink()


def _beside(target: Path, role: str) -> list[Path]:
    """Temporary paths that processes have made beside `target`, without those of `target.something`."""
    name = re.compile(rf"\.{re.escape(target.name)}\.\d+{re.escape(role)}")
    return [path for path in target.parent.glob(f".*{role}") if name.fullmatch(path.name)]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content in hexadecimal, read in pieces; `hashlib.file_digest` needs Python 3.11."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            total.update(chunk)
    return total.hexdigest()
