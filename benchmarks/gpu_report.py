"""The result of a day with a GPU: one JSON and one table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framepred_ros.files import write_text

HEADER = ("part", "what", "measured", "beside")


def write(out: Path, content: dict[str, Any]) -> None:
    """Writes gpu.json and gpu.md.

    Args:
        content: `commit`, `device`, `small`, `environment`, and `parts`: outcomes by name, as `benchmarks.gpu.run_part`
            returns them.
    """
    write_text(out / "gpu.json", json.dumps(content, indent=1) + "\n")
    write_text(out / "gpu.md", "\n".join(_document(content)) + "\n")


def _document(content: dict[str, Any]) -> Iterator[str]:
    hardware, versions = (content["environment"].get(key, {}) for key in ("hardware", "versions"))
    device = hardware.get("accelerator") or hardware.get("processor") or content["device"]
    yield f"# {device}{', small: a rehearsal, no measurement' if content['small'] else ''}"
    yield ""
    yield f"Commit {content['commit'] or 'unknown'}; " + ", ".join(f"{name} {each}" for name, each in versions.items())
    yield ""
    rows = [HEADER, *_rows(content["parts"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    rows.insert(1, tuple("-" * width for width in widths))
    for row in rows:
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def _rows(parts: dict[str, dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for name, outcome in parts.items():
        spent = f"{outcome['seconds']:.0f} s of {outcome['limit']:.0f} s"
        yield name, f"**{outcome['status']}**", spent, (outcome["error"] or "").replace("|", "/")
        for row in outcome["rows"]:
            yield name, row["name"], f"{_number(row['value'])} {row['unit']}".strip(), row["beside"]


def _number(value: float | None) -> str:
    """Four digits that count, without powers of ten unless it is tiny."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
