"""From distances to what is reported: choice accuracy, word gap, and obedience to "stay still"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from framepred_ros.metrics import PSNR_OF_IDENTICAL
from training.evaluation.words.choices import Choice
from training.evaluation.words.contrast import KINDS, contrast, subjects
from training.evaluation.words.measure import NONE, NONSENSE, ChoiceValues

RESAMPLES = 4000
FEWEST_SCENES = 5
"""With fewer scenes a bootstrap cannot tell how much scenes differ, so no interval is given."""

STILL = "still"


@dataclass(frozen=True)
class Item:
    """Something measured of one instruction of a choice.

    Attributes:
        scene: what the bootstrap draws.
        value, chance: what was reached, and what a predictor that ignores the words would reach.
        weight: so that every choice counts the same.
        labels: what it is counted under, such as {"verb": "stack", "place": "branch"}.
    """

    scene: tuple[str, int]
    value: float
    weight: float
    chance: float | None
    labels: dict[str, str]


def summarize_words(choices: Sequence[Choice], values: Sequence[ChoiceValues]) -> dict[str, Any]:
    """All numbers of one predictor.

    Returns:
        {"choice": {"mse": breakdown, "ssim": breakdown}, "contrast": {kind: cell}, "gap": {against: breakdown},
        "still": {place: {"moved": cell, "truth": cell, "others": cell}}}, a breakdown being {"all": cell, label:
        {name: cell}} and a cell {"mean", "low", "high" (None for too few scenes), "chance" (if there is one), "count",
        "scenes"}. Gaps are in decibels, what moved is a share of the picture.
    """
    pairs = list(zip(choices, values, strict=True))
    return {
        "choice": {metric: _breakdown(list(_hits(pairs, metric))) for metric in ("mse", "ssim")},
        "contrast": _by(list(_contrasts(pairs)), "contrast"),
        "gap": {against: _breakdown(list(items)) for against, items in _gaps(pairs).items() if items},
        "still": _still(pairs),
    }


def _hits(pairs: Iterable[tuple[Choice, ChoiceValues]], metric: str) -> Iterator[Item]:
    for choice, values in pairs:
        for kind in choice.phrasings:
            distances = np.array(values[kind][metric], dtype=float)  # None becomes NaN
            distances = distances if metric == "mse" else -distances
            for index, row in enumerate(distances):
                yield _item(choice, index, kind, hit(row, choice.classes, index), 1 / len(set(choice.classes)))


def hit(distances: np.ndarray, classes: Sequence[int], index: int) -> float:
    """1 if the nearest future is that of instruction `index` or looks like it; a tie gives each its share.

    A predictor that ignores the words picks the same class for every instruction. It is right for the instructions of
    that class alone, so its mean over the classes is exactly 1 / classes.
    """
    known = np.nan_to_num(distances, nan=np.inf)
    nearest = np.flatnonzero(known == known.min())
    tied = {classes[number] for number in nearest}
    return (classes[index] in tied) / len(tied)


def _item(choice: Choice, index: int, kind: str, value: float, chance: float | None) -> Item:
    future, classes = choice.futures[index], choice.classes
    alike = classes.count(classes[index]) * len(set(classes)) * len(choice.phrasings)
    combination = "kept back" if future.scene.held_out else "trained on"
    labels = {"place": choice.place, "phrasing": kind, "combination": combination, **subjects(future.scene)}
    return Item(choice.scene, value, 1 / alike, chance, labels)


def _contrasts(pairs: Iterable[tuple[Choice, ChoiceValues]]) -> Iterator[Item]:
    """Of two instructions that differ in one thing, is the right one's future nearer, where these two differ?"""
    for choice, values in pairs:
        found: dict[str, list[float]] = defaultdict(list)
        for kind in choice.phrasings:
            for one, row in enumerate(values[kind]["pairs"]):
                for other, farther in enumerate(row):
                    differ = contrast(choice.futures[one].scene, choice.futures[other].scene)
                    if differ and farther is not None and choice.classes[one] != choice.classes[other]:
                        found[differ].append((np.sign(farther) + 1) / 2)
        for differ, hits in found.items():
            yield from (Item(choice.scene, each, 1 / len(hits), 0.5, {"contrast": differ}) for each in hits)


def _gaps(pairs: Iterable[tuple[Choice, ChoiceValues]]) -> dict[str, list[Item]]:
    """PSNR with the right words minus that with others, in decibels."""
    gaps: dict[str, list[Item]] = {"other": [], NONE: [], NONSENSE: []}
    for choice, values in pairs:
        for kind in choice.phrasings:
            scores = _psnr(values[kind]["mse"])
            for index in range(len(choice.futures)):
                right = scores[index, index]
                others = [i for i, each in enumerate(choice.classes) if each != choice.classes[index]]
                against = {"other": scores[others, index].mean()}
                against |= {name: _psnr(values[name])[index] for name in (NONE, NONSENSE) if name in values}
                for name, score in against.items():
                    gaps[name].append(_item(choice, index, kind, float(right - score), None))
    return gaps


def _psnr(errors: Any) -> np.ndarray:
    """Decibels of mean squared errors, at most `PSNR_OF_IDENTICAL`."""
    smallest = 255**2 / 10 ** (PSNR_OF_IDENTICAL / 10)
    return 10 * np.log10(255**2 / np.maximum(np.array(errors, dtype=float), smallest))


def _still(pairs: Iterable[tuple[Choice, ChoiceValues]]) -> dict[str, Any]:
    """What of the picture moves when told to stay still: predicted, in truth, and predicted when told anything else."""
    items: dict[str, dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for choice, values in pairs:
        told = [future.scene.verb == STILL for future in choice.futures]
        for index in np.flatnonzero(told):
            for kind in choice.phrasings:
                moved = np.array(values[kind]["moved"])
                shares = {"moved": moved[index], "truth": values["truth_moved"][index]}
                if not all(told):
                    shares["others"] = moved[~np.array(told)].mean()
                for name, share in shares.items():
                    items[choice.place][name].append(_item(choice, int(index), kind, float(share), None))
    return {place: {name: cell(each) for name, each in named.items()} for place, named in items.items()}


def _breakdown(items: Sequence[Item]) -> dict[str, Any]:
    labels = ("place", "phrasing", "combination", *KINDS)
    return {"all": cell(items), **{label: _by(items, label) for label in labels}} if items else {}


def _by(items: Sequence[Item], label: str) -> dict[str, Any]:
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if label in item.labels:
            groups[item.labels[label]].append(item)
    return {name: cell(groups[name]) for name in sorted(groups)}


def cell(items: Sequence[Item]) -> dict[str, Any]:
    """Weighted mean of the items, its 95 % interval by a bootstrap over scenes, and the mean of their chances."""
    scenes = {scene: index for index, scene in enumerate(dict.fromkeys(item.scene for item in items))}
    clusters = [scenes[item.scene] for item in items]
    weights = np.array([item.weight for item in items])
    values = np.array([item.value for item in items])
    sums, totals = (np.bincount(clusters, weights=each) for each in (weights * values, weights))
    found = {"mean": float(sums.sum() / totals.sum()), "low": None, "high": None}
    if len(scenes) >= FEWEST_SCENES:
        drawn = _draws(len(scenes))
        found["low"], found["high"] = map(float, np.quantile((drawn @ sums) / (drawn @ totals), (0.025, 0.975)))
    if items[0].chance is not None:
        chances = np.array([item.chance for item in items])
        found["chance"] = float((weights * chances).sum() / weights.sum())
    return {**found, "count": len(items), "scenes": len(scenes)}


@lru_cache(maxsize=64)
def _draws(count: int) -> np.ndarray:
    """How often each of `count` scenes is drawn in each resample; (RESAMPLES, count)."""
    return np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
