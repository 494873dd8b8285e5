"""Parameters of a node as a table: types, ranges, when they may change.

The tables are `framepred_ros.node.parameters` and `framepred_ros.replay.camera_parameters`. The launch files make their
arguments from them, and tests compare `config/predictor.yaml` and `docs/node.md` with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.parameter import Parameter

CAMERA_NAME = re.compile(r"[a-z][a-z0-9_]*")  # REP-144


class Changeable(str, Enum):
    """When a parameter may be changed."""

    ANY_TIME = "any time"
    UNCONFIGURED = "while unconfigured"  # a loaded model, or a topic, keeps what it was made with
    AT_START = "at start only"


@dataclass(frozen=True)
class ParameterSpec:
    """One ROS parameter: its type is that of the default; the range is inclusive, of a list's items where it is one.

    `item` is the type of a list's items: different names, or different integers.
    """

    name: str
    default: bool | int | float | str | list[str] | list[int]
    description: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    changeable: Changeable = Changeable.ANY_TIME
    item: type = str

    @property
    def type_name(self) -> str:
        """The type as ROS names it."""
        names = {bool: "bool", int: "integer", float: "double", str: "string"}
        return f"{names[self.item]} array" if isinstance(self.default, list) else names[type(self.default)]

    @property
    def array_type(self) -> Parameter.Type:
        """The type of a list as rclpy names it."""
        return Parameter.Type.INTEGER_ARRAY if self.item is int else Parameter.Type.STRING_ARRAY

    def descriptor(self) -> ParameterDescriptor:
        """Return the descriptor that `ros2 param describe` shows."""
        unit = f" In {self.unit}." if self.unit else ""
        descriptor = ParameterDescriptor(
            description=f"{self.description}{unit} Changes {self.changeable.value}.",
            read_only=self.changeable is Changeable.AT_START,
            additional_constraints=f"one of: {', '.join(self.choices)}" if self.choices else "",
        )
        if self.minimum is None:
            return descriptor
        if isinstance(self.default, float):
            # Without field checks an int in a float field arrives as a tiny number, hence the casts.
            limits = FloatingPointRange(from_value=float(self.minimum), to_value=float(self.maximum))
            descriptor.floating_point_range = [limits]
        else:
            descriptor.integer_range = [IntegerRange(from_value=int(self.minimum), to_value=int(self.maximum), step=1)]
        return descriptor

    def objection(self, value: Any) -> str:
        """Return what is wrong with a value whose type and range are right; empty if nothing is."""
        if self.choices and value not in self.choices:
            return f"{self.name} must be one of {', '.join(self.choices)}, not '{value}'"
        if not isinstance(self.default, list) or value is None:
            return ""
        if self.item is int:
            bad = [number for number in value if not self.minimum <= number <= self.maximum]
            wanted = f"different integers from {self.minimum:.0f} to {self.maximum:.0f}"
        else:
            bad = [name for name in value if not CAMERA_NAME.fullmatch(name)]
            wanted = "different names of letters a-z, digits and underscores"
        if bad or len(set(value)) < len(value):
            return f"{self.name} must be {wanted}, not {list(value)}"
        return ""


def declare_parameters(
    node: Any, specs: Iterable[ParameterSpec], objection: Callable[[ParameterSpec, Any], str] = lambda spec, value: ""
) -> None:
    """Declare all parameters of a table on a node; a bad override raises there, naming the parameter.

    Args:
        objection: called for each later change to a valid value; returns the reason against it, or an empty text.
    """
    by_name = {spec.name: spec for spec in specs}
    declared = False

    def check(parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            spec = by_name.get(parameter.name)
            if spec is None:
                continue
            reason = spec.objection(parameter.value)
            if not reason and declared:
                reason = objection(spec, parameter.value)
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def typed(parameters: list[Parameter]) -> list[Parameter]:
        """Give empty lists their type: from `[]` alone `ros2 param set` guesses one of booleans."""
        return [
            Parameter(each.name, by_name[each.name].array_type, [])
            if each.name in by_name and isinstance(by_name[each.name].default, list) and _is_empty_list(each.value)
            else each
            for each in parameters
        ]

    node.add_on_set_parameters_callback(check)
    if hasattr(node, "add_pre_set_parameters_callback"):  # ROS 2 Humble has none: there `[]` is refused
        node.add_pre_set_parameters_callback(typed)
    for spec in by_name.values():
        if isinstance(spec.default, list):  # from an empty list rclpy would guess bytes, and reads [] as not set
            node.declare_parameter(spec.name, spec.array_type, spec.descriptor())
            if not node.get_parameter_or(spec.name).value:
                node.set_parameters([Parameter(spec.name, spec.array_type, spec.default)])
        else:
            node.declare_parameter(spec.name, spec.default, spec.descriptor())
    declared = True


def _is_empty_list(value: Any) -> bool:
    return value is not None and not isinstance(value, (bool, int, float, str, bytes)) and len(value) == 0
