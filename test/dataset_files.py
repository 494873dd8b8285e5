"""Builds datasets with the command, for tests that need one, and compares folders."""

from pathlib import Path

from training import build_dataset

HORIZON = 20


def build(episodes: Path, out: Path, *options: str, horizon: int = HORIZON) -> int:
    """Runs training.build_dataset; returns its exit status."""
    return build_dataset.main([str(episodes), "--out", str(out), "--horizon", str(horizon), *options])


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of every file under a folder, by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
