"""Which code made a score: a hash of the sources that scores follow from."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import framepred_ros
from training.dataset import stored_pairs

_OTHER = frozenset({"node", "demo", "monitoring", "replay", "ros"})
"""Parts of the package that predict nothing by themselves."""

_SHOWING = frozenset(
    {"animation", "comparison", "comparison_text", "contrast", "curves", "grid", "labels", "pictures", "report"}
    | {"report_page", "side_by_side", "study", "summary", "tables", "words_viewer"}
)
"""Modules of evaluation that show scores and make none."""


@lru_cache(maxsize=1)
def code_version() -> str:
    """The hash, in hexadecimal; the same wherever the same version is installed."""
    digest = hashlib.sha256()
    for root in (Path(framepred_ros.__file__).parent, Path(__file__).parents[1]):
        for path in sorted(root.rglob("*.py")):
            relative = path.relative_to(root)
            if not _OTHER & set(relative.parts) and path.stem not in _SHOWING:
                digest.update(f"{relative}\0".encode() + path.read_bytes())
    digest.update(Path(stored_pairs.__file__).read_bytes())  # how frames are read and resized
    return digest.hexdigest()[:16]
