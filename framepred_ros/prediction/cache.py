"""What takes seconds to make is kept in the user's cache, as folders whose names say what they were made from."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CACHE_VARIABLE = "FRAMEPRED_CACHE"


def cache_folder() -> Path:
    """Where it is kept: $FRAMEPRED_CACHE, or framepred_ros in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return (
        Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "framepred_ros"
    )


def mark_used(folder: Path) -> None:
    """Notes that a folder of the cache is in use now, as `keep` wants to know."""
    with suppress(OSError):  # the cache belongs to another user
        os.utime(folder)


def keep(write: Callable[[Path], None], folder: Path, prefix: str, count: int) -> bool:
    """Puts a folder into the cache, and removes all but the last used ones of those that begin with a prefix.

    Args:
        write: fills a folder that does not exist yet.
        folder: in the cache.
        prefix: of the folders' names.
        count: how many of them stay.

    Returns:
        whether it is there now. If not, there has been a warning.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            target = Path(temporary) / "model"
            write(target)
            try:
                target.rename(folder)
            except OSError:  # another process was faster
                if not folder.is_dir():
                    raise
    except (RuntimeError, OSError) as error:
        warnings.warn(
            f"the traced model cannot be kept in {folder.parent} ({error}), so every start takes seconds longer; "
            f"set {CACHE_VARIABLE} to a folder that can be written to",
            stacklevel=2,
        )
        return False
    kept = sorted(folder.parent.glob(f"{prefix}*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in kept[count:]:
        shutil.rmtree(old, ignore_errors=True)
    return True
