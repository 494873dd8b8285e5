"""Recipes as YAML files with `key=value` overrides, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from training.trainer.models import KINDS
from training.trainer.recipe import Recipe, to_dict
from training.trainer.start_settings import with_start_settings
from training.trainer.strict import describe
from training.trainer.weights import WeightsError

_RECIPE = TypeAdapter(Recipe)


class RecipeError(ValueError):
    """A recipe is not valid; the message names the file or override, and the key."""


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Reads a recipe and applies overrides such as "optimization.max_steps=200".

    What a recipe that starts from a small checkpoint leaves out is that checkpoint's; see `with_start_settings`.

    Raises:
        RecipeError: unreadable file, unknown key, or impossible value.
        WeightsError: the checkpoint that it starts from is not there.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from None
    for override in overrides:
        _apply_override(values, override)
    try:
        return _check(with_start_settings(values))
    except WeightsError:
        raise
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{path}: {error}") from None


def complete_identity(saved: dict[str, Any]) -> dict[str, Any]:
    """A recipe's identity (`Recipe.identity`) that an earlier version wrote, with what has been added since: defaults.

    Other keys stay as they are, and so does all of an identity that is none of a recipe's.
    """
    names = [each.name for each in fields(Recipe) if each.name in saved]
    values = {name: saved[name] for name in names}
    values["optimization"] = {**values.get("optimization", {}), "max_steps": 1}
    try:
        completed = _check(values).identity()
    except (TypeError, ValueError):
        return saved
    return saved | {name: completed[name] for name in names}


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Writes the resolved recipe, every key spelled out."""
    path.write_text(yaml.safe_dump(to_dict(recipe), sort_keys=False), encoding="utf-8")


def _apply_override(values: Any, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise RecipeError(f"override {override!r} must look like key=value")
    *sections, last = key.split(".")
    for section in [None, *sections]:
        values = values if section is None else values.setdefault(section, {})
        if not isinstance(values, dict):
            raise RecipeError(f"override {override!r}: {section or 'the recipe'} is not a section")
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"override {override!r} is not YAML: {error}") from None


def _check(values: Any) -> Recipe:
    """The recipe that the values say. Raises ValueError with a line on the first thing that is wrong."""
    try:
        return _RECIPE.validate_python(values)
    except ValidationError as error:
        raise ValueError(describe(error.errors()[0], KINDS)) from None
