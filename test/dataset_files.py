"""Builds datasets with the command, for tests that need one, and compares folders."""

from pathlib import Path

import cv2
import numpy as np

from training import build_dataset

HORIZON = 20


def build(sources: Path | list[Path], out: Path, *options: str, horizon: int = HORIZON) -> int:
    """Runs training.build_dataset; returns its exit status."""
    sources = sources if isinstance(sources, list) else [sources]
    return build_dataset.main([*map(str, sources), "--out", str(out), "--horizon", str(horizon), *options])


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of every file under a folder, by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rgb(path: Path) -> np.ndarray:
    """A picture file as uint8 RGB (H, W, 3)."""
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
