"""The words measure as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from training.evaluation.scoring.labels import subject_label
from training.evaluation.words.contrast import KINDS

Table = tuple[str, str, tuple[str, ...], list[tuple[str, ...]]]

_COLUMNS = (
    ("all", lambda part: part.get("all")),
    ("starts", lambda part: part.get("place", {}).get("start")),
    ("branches", lambda part: part.get("place", {}).get("branch")),
    ("seen words", lambda part: part.get("phrasing", {}).get("seen")),
    ("kept-back words", lambda part: part.get("phrasing", {}).get("unseen")),
    ("trained on", lambda part: part.get("combination", {}).get("trained on")),
    ("kept-back combinations", lambda part: part.get("combination", {}).get("kept back")),
)


def words_tables(words: dict[str, Any]) -> Iterator[Table]:
    """Yields heading, note, first row and other rows of every table; `words` is that of results.json."""
    if not words["predictors"]:
        yield "Do the words decide?", words_note(words), ("", ""), []
        return
    header = ("predictor", "nearest by", *(name for name, _ in _COLUMNS))
    yield "Do the words decide? Choice accuracy", words_note(words), header, list(_accuracy_rows(words))
    note = (
        "Choice accuracy by mean squared error, by what the instruction says. The last rows: of two instructions that "
        "differ in this one thing, the right one's future is nearer (chance is 50 %)."
    )
    names = [subject_label(name) for name in words["predictors"]]
    header = ("", "", "chance", *names)
    yield "Choice accuracy by verb, colour, side and order", note, header, list(_subject_rows(words))
    note = (
        "PSNR in the pixels where the futures differ with the right words, minus that with another instruction that is "
        "possible in the same frame, without words, and with words that mean nothing."
    )
    header = ("predictor", "right words minus", *(name for name, _ in _COLUMNS))
    yield "Word gap (dB)", note, header, list(_gap_rows(words))
    rows = list(_still_rows(words))
    if rows:
        header = ("predictor", "at", "told to stay still", "in truth", "told anything else")
        yield "What of the picture moves when told to stay still", "", header, rows


def words_note(words: dict[str, Any]) -> str:
    """Which frames were measured, and how many were left out."""
    frames = words["frames"]
    left = [f"{count} because {reason}" for reason, count in words["left_out"].items()]
    return (
        f"{frames['start']} starts and {frames['branch']} branches of {words['scenes']} scenes, "
        f"{words['instructions']} instructions with {words['futures']} futures that can be told apart (they differ by "
        f"more than 20 levels in {words['smallest_area']:.1%} of the picture), {words['horizon']} steps "
        f"({words['seconds']:g} s) ahead. Left out: {', '.join(left) or 'none'}. A prediction is right if it lies "
        "nearest to its own instruction's future in the pixels where the futures differ; 95 % intervals by a bootstrap "
        "over scenes."
    )


def _accuracy_rows(words: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, numbers in words["predictors"].items():
        first = subject_label(name)
        for metric in ("mse", "ssim"):
            part = numbers["choice"][metric]
            yield first, metric.upper(), *(_percent(find(part)) for _, find in _COLUMNS)
            first = ""
    part = next(iter(words["predictors"].values()))["choice"]["mse"]
    yield "chance", "", *(_chance(find(part)) for _, find in _COLUMNS)


def _subject_rows(words: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    predictors = list(words["predictors"].values())
    for kind in KINDS:
        first = kind
        for name in predictors[0]["choice"]["mse"].get(kind, {}):
            cells = [each["choice"]["mse"][kind][name] for each in predictors]
            yield first, name, _chance(cells[0]), *map(_percent, cells)
            first = ""
    first = "differ in"
    for kind in KINDS:
        if kind in predictors[0]["contrast"]:
            cells = [each["contrast"][kind] for each in predictors]
            yield first, f"{kind} only" if kind != "verb" else "verb", _chance(cells[0]), *map(_percent, cells)
            first = ""


def _gap_rows(words: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    labels = {"other": "another instruction's", "none": "none", "nonsense": "nonsense"}
    for name, numbers in words["predictors"].items():
        first = subject_label(name)
        for against, part in numbers["gap"].items():
            yield first, labels[against], *(_decibels(find(part)) for _, find in _COLUMNS)
            first = ""


def _still_rows(words: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, numbers in words["predictors"].items():
        first = subject_label(name)
        for place, cells in numbers["still"].items():
            yield first, place, *(_percent(cells.get(each), 2) for each in ("moved", "truth", "others"))
            first = ""


def _percent(cell: dict[str, Any] | None, digits: int = 0) -> str:
    if cell is None:
        return "-"
    mean, low, high = (None if cell[name] is None else 100 * cell[name] for name in ("mean", "low", "high"))
    return f"{mean:.{digits}f} %" + ("" if low is None else f" ({low:.{digits}f} to {high:.{digits}f})")


def _chance(cell: dict[str, Any] | None) -> str:
    return "-" if cell is None else f"{cell['chance']:.0%}".replace("%", " %")


def _decibels(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "-"
    interval = "" if cell["low"] is None else f" ({cell['low']:+.2f} to {cell['high']:+.2f})"
    return f"{cell['mean']:+.2f}{interval}"
