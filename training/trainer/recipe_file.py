"""Recipes as YAML files with `key=value` overrides, checked against the dataclasses before anything is loaded."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from training.trainer.recipe import Recipe, to_dict
from training.trainer.start_settings import with_start_settings
from training.trainer.weights import WeightsError


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
        return _build(Recipe, with_start_settings(values), "")
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
        completed = _build(Recipe, values, "").identity()
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


def _build(kind: type, values: Any, prefix: str):
    """Builds a dataclass from a dictionary, checking names and types."""
    if not isinstance(values, dict):
        raise ValueError(f"{prefix.rstrip('.') or 'the recipe'} must be a section of keys, not {values!r}")
    hints = typing.get_type_hints(kind)
    known = [each.name for each in fields(kind)]
    for name in values:
        if name not in known:
            raise ValueError(f"unknown key {prefix}{name}; known are {', '.join(known)}")
    arguments = {name: _convert(hints[name], value, prefix + name) for name, value in values.items()}
    try:
        return kind(**arguments)
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from None


def _convert(hint, value, name: str):
    if is_dataclass(hint):
        return _build(hint, value, name + ".")
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return _convert_union(typing.get_args(hint), value, name)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{name} must be a list, not {value!r}")
        return tuple(_convert(typing.get_args(hint)[0], item, name) for item in value)
    if hint is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-3 as text
        except ValueError:
            pass
    elif hint is str and value is False:
        return "no"  # YAML reads a bare no as false
    elif isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"{name} must be {hint.__name__}, not {value!r}")


def _convert_union(hints, value, name: str):
    """A value that may be null, or a section whose key `kind` says which dataclass it is."""
    if type(None) in hints:
        return None if value is None else _convert(hints[0], value, name)
    kinds = {hint.kind: hint for hint in hints}
    if not isinstance(value, dict) or value.get("kind") not in kinds:
        raise ValueError(f"{name}.kind must be one of {', '.join(kinds)}")
    return _build(kinds[value["kind"]], value, name + ".")
