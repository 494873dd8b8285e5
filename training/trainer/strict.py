"""How strictly a recipe's values are taken, and what is said of those that are not.

Numbers may be written as YAML reads them (1e-3 is a text), but a yes is no number, and unknown keys are errors.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Strict
from pydantic_core import PydanticCustomError

STRICT = ConfigDict(extra="forbid")
_MUST_BE = {
    "int": "int",
    "float": "float",
    "bool": "bool",
    "string": "a text",
    "tuple": "a list",
    "dataclass": "a section of keys",
}


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("float_type", "a flag is no number")
    return value


Int = Annotated[int, Strict()]
Float = Annotated[float, BeforeValidator(_no_flag)]
Flag = Annotated[bool, Strict()]


def known_keys(kind: type) -> BeforeValidator:
    """Refuses keys that a plain dataclass does not have; pydantic passes over them."""
    known = {each.name for each in fields(kind)}

    def check(value: Any) -> Any:
        unknown = sorted(set(value) - known) if isinstance(value, dict) else []
        if unknown:
            raise PydanticCustomError("unknown_key", "{key}", {"key": str(unknown[0])})
        return value

    return BeforeValidator(check)


def describe(problem: dict[str, Any], tags: tuple[str, ...] = ()) -> str:
    """One of pydantic's problems in a line that begins with the key's place, such as "model.unet.layers".

    Args:
        tags: what stands in places because of a choice between sections.
    """
    place = [str(part) for part in problem["loc"] if part not in tags]
    kind, context, value = problem["type"], problem.get("ctx", {}), problem["input"]
    if kind in ("unexpected_keyword_argument", "unknown_key"):
        return f"unknown key {'.'.join([*place, context['key']] if kind == 'unknown_key' else place)}"
    where = ".".join(place) or "the recipe"
    if kind == "value_error":  # of a whole section; it begins with the key
        return ".".join([*place, str(context["error"])])
    if kind.startswith("union_tag"):
        return f"{where}.kind must be one of {', '.join(tags)}"
    if kind == "literal_error":
        return f"{where} must be one of {context['expected'].replace(' or ', ', ').replace(chr(39), '')}, not {value!r}"
    name = next((name for start, name in _MUST_BE.items() if kind.startswith(start)), None)
    return f"{where} must be {name}, not {value!r}" if name else f"{where}: {problem['msg']}"


def check_positive(options, *names: str) -> None:
    """Raises ValueError unless some fields of a part of a recipe are above 0."""
    for name in names:
        if not getattr(options, name) > 0:
            raise ValueError(f"{name} must be more than 0, not {getattr(options, name)}")


def check_share(options, name: str, most: float = 1) -> None:
    """Raises ValueError unless a field of a part of a recipe lies between 0 and `most`."""
    if not 0 <= getattr(options, name) <= most:
        raise ValueError(f"{name} must be between 0 and {most:.3g}, not {getattr(options, name)}")
