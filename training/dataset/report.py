"""What a build prints when it is done: warnings, a table, and how much was new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from training.dataset.builder import BuildResult
from training.dataset.index import DatasetManifest

_BAD_SHOWN = 5


def print_report(result: BuildResult, out: Path, seconds: float) -> None:
    """Prints the result of a build to the terminal."""
    console, manifest = Console(), result.manifest
    for warning in _warnings(manifest):
        console.print(f"[yellow]warning:[/] {warning}")
    console.print(counts_table(manifest))
    if not result.converted:
        console.print(f"{out} is complete.")
        return
    origin = f"{result.converted} episodes converted, {result.resumed} resumed, {result.kept} kept"
    console.print(f"{out}: {origin} in {seconds:.0f} s.")


def counts_table(manifest: DatasetManifest) -> Table:
    """Episodes, frames, pairs and rows per task and split."""
    seconds = manifest.horizon * manifest.step_duration
    title = f"pairs {manifest.horizon} steps ({seconds:.4g} s) apart, {manifest.image_size[0]}x{manifest.image_size[1]}"
    table = Table(title=title, title_justify="left")
    counts = ("episodes", "frames", "pairs", "rows")
    for column in ("task", "split", *counts):
        table.add_column(column, justify="right" if column in counts else "left")
    for task in [*manifest.tasks, "all"]:
        for split, of_split in sorted(manifest.splits.items(), reverse=True):
            count = of_split if task == "all" else of_split["tasks"].get(task)
            if count:
                table.add_row(task, split, *(f"{count[name]:,}" for name in counts))
    return table


def _warnings(manifest: DatasetManifest) -> Iterator[str]:
    if manifest.held_out:
        count = len(manifest.held_out)
        yield f"{count} episodes left out: what they show is kept for tests, but their scenes are for training"
    if manifest.skipped:
        first = manifest.skipped[0]
        shortest = f"(first: {first['task']} episode {first['number']} with {first['frames']})"
        yield f"{len(manifest.skipped)} episodes skipped, shorter than {manifest.horizon + 1} frames {shortest}"
    if manifest.bad:
        yield f"{len(manifest.bad)} unreadable episodes left out:"
        yield from (f"  {bad.file}: {bad.reason}" for bad in manifest.bad[:_BAD_SHOWN])
    if manifest.split_by == "pair":
        yield "split by pair: test frames have near-duplicates in train, so test scores will be too good"
    for task in manifest.tasks if 0 < manifest.test_fraction < 1 else []:
        if task not in manifest.splits.get("test", {"tasks": {}})["tasks"]:
            yield f"{task} has a single episode, so none for testing"
    total = sum(counts["pairs"] for counts in manifest.splits.values())
    if manifest.max_pairs and total < manifest.max_pairs and not manifest.balance_tasks:
        yield f"{manifest.max_pairs:,} pairs were asked for, the episodes give {total:,}"
