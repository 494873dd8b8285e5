"""The nodes' parameters: the only place where their defaults are written.

The launch files make their arguments from these tables, and tests compare `config/predictor.yaml` and `docs/node.md`
with them.
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
    """When a parameter may get another value."""

    ANY_TIME = "any time"
    UNCONFIGURED = "while unconfigured"  # a loaded model, or a topic, keeps what it was made with
    AT_START = "at start only"


@dataclass(frozen=True)
class ParameterSpec:
    """One ROS parameter: its type is that of the default; the range is inclusive; a list is one of strings."""

    name: str
    default: bool | int | float | str | list[str]
    description: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    changeable: Changeable = Changeable.ANY_TIME

    @property
    def type_name(self) -> str:
        """The type as ROS names it."""
        names = {bool: "bool", int: "integer", float: "double", str: "string", list: "string array"}
        return names[type(self.default)]

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
        """Return what is wrong with a value of the right type and within the range; empty if it is fine."""
        if self.choices and value not in self.choices:
            return f"{self.name} must be one of {', '.join(self.choices)}, not '{value}'"
        if isinstance(self.default, list) and isinstance(value, (list, tuple)):
            bad = [name for name in value if not CAMERA_NAME.fullmatch(name)]
            if bad or len(set(value)) < len(value):
                return f"{self.name} must be different names of letters a-z, digits and underscores, not {list(value)}"
        return ""


PREDICTOR_PARAMETERS = (
    ParameterSpec(
        "checkpoint",
        "",
        "Checkpoint folder or hub id to predict with; empty: the checkpoint that ships with the package.",
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "device",
        "auto",
        "Torch device to predict on, such as cpu or cuda:0; auto: a GPU if there is one.",
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "engine",
        "auto",
        "How to run the model: fast (PyTorch as it is), openvino (faster on a CPU, needs openvino), compile "
        "(torch.compile, with CUDA graphs on a GPU; configuring takes a minute or more), or diffusers' own pipeline, "
        "the reference; auto: openvino on a CPU if it is installed, else fast.",
        choices=("auto", "fast", "compile", "openvino", "diffusers"),
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "cpu_threads",
        0,
        "Threads for the model's arithmetic on a CPU; 0: as many as torch likes, but one core stays free for ROS.",
        "",
        0,
        1024,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "cpu_niceness",
        10,
        "By how much the model's threads give way to the node's other threads and to other processes; 0: they do not.",
        "",
        0,
        19,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "cameras",
        [],
        "Names of the cameras to predict for, each with topics under its name; empty: one camera without a name.",
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "image_transport",
        "raw",
        "How camera frames arrive: raw on image, compressed (JPEG, PNG) on image/compressed.",
        choices=("raw", "compressed"),
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "instruction",
        "",
        "The first instruction, used until one arrives on the topic.",
        changeable=Changeable.AT_START,
    ),
    ParameterSpec("steps", 0, "Sampling steps per prediction; 0: the checkpoint's own number.", "", 0, 1000),
    ParameterSpec(
        "seed",
        0,
        "Seed of the noise that every prediction starts from: equal frames give equal predictions.",
        "",
        0,
        2**31 - 1,
    ),
    ParameterSpec(
        "max_rate", 0.0, "Most predictions per second and camera; 0.0: as many as possible.", "hertz", 0, 1000
    ),
    ParameterSpec(
        "skip_unchanged",
        0,
        "Publish the last prediction again, with the new stamp, while the instruction is the same and no part of the "
        "frame differs by as much from the one that it was made from; 0: predict from every frame.",
        "grey levels",
        0,
        255,
    ),
    ParameterSpec("lazy", True, "Predict only while somebody subscribes to a prediction or the monitor is on."),
    ParameterSpec(
        "step_duration",
        0.0,
        "Time from one step to the next; the horizon is this times the checkpoint's steps. 0.0: the checkpoint's own.",
        "seconds",
        0,
        3600,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "stamp",
        "source",
        "Stamp of a prediction: source is that of the frame it was made from, predicted is one horizon later.",
        choices=("source", "predicted"),
    ),
    ParameterSpec("jpeg_quality", 90, "Quality of predicted_frame/compressed.", "percent", 1, 100),
    ParameterSpec(
        "monitor",
        False,
        "Score every prediction when the frame that it predicted arrives, and warn when predictions stop coming true.",
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "monitor_tolerance",
        0.05,
        "Most time between the predicted moment and the frame that counts as it: half of a slow camera's period.",
        "seconds",
        0,
        10,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "monitor_rate",
        5.0,
        "Most predictions scored per second and camera.",
        "hertz",
        0.1,
        100,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "monitor_window",
        11,
        "How many of the latest scores are judged together, by their medians; an alert takes half of them.",
        "",
        1,
        1000,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "monitor_learning",
        200,
        "How many scores of a moving scene limits are learned from; they should see all that the robot normally does.",
        "",
        1,
        1_000_000,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "monitor_lowest_ssim",
        0.0,
        "Alert when the running SSIM falls below this; 0.0: learned at the start.",
        "",
        0,
        1,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec(
        "monitor_highest_surprise",
        0.0,
        "Alert when the surprise, lasting change that neither the prediction nor motion explains, rises above this; "
        "0.0: learned at the start.",
        "",
        0,
        1000,
        changeable=Changeable.UNCONFIGURED,
    ),
    ParameterSpec("autostart", True, "Configure and activate without being asked.", changeable=Changeable.AT_START),
)
CAMERA_PARAMETERS = (
    ParameterSpec(
        "task",
        "block_hammer_beat",
        "Task whose shipped episode is played.",
        changeable=Changeable.AT_START,
    ),
    ParameterSpec("bag", "", "Path of a bag to play instead of a shipped episode.", changeable=Changeable.AT_START),
    ParameterSpec(
        "bag_topic", "", "Image topic in the bag, needed only if it has several.", changeable=Changeable.AT_START
    ),
    ParameterSpec("loop", False, "Start again at the end of the episode instead of ending."),
    ParameterSpec(
        "wait_for_subscribers",
        0,
        "Start once this many subscriptions listen to the image topic.",
        "",
        0,
        100,
        changeable=Changeable.AT_START,
    ),
)


def declare_parameters(
    node: Any, specs: Iterable[ParameterSpec], objection: Callable[[ParameterSpec, Any], str] = lambda spec, value: ""
) -> None:
    """Declare all parameters of a table on a node; a bad override raises there, naming the parameter.

    Args:
        objection: asked about each later change to a valid value; returns why it must not be, or an empty text.
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

    node.add_on_set_parameters_callback(check)
    for spec in by_name.values():
        if isinstance(spec.default, list):  # from an empty list rclpy would guess bytes, and reads [] as not set
            node.declare_parameter(spec.name, Parameter.Type.STRING_ARRAY, spec.descriptor())
            if not node.get_parameter_or(spec.name).value:
                node.set_parameters([Parameter(spec.name, Parameter.Type.STRING_ARRAY, spec.default)])
        else:
            node.declare_parameter(spec.name, spec.default, spec.descriptor())
    declared = True
