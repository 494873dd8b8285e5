"""The nodes' parameters: the only place where their defaults are written.

The launch files make their arguments from this table, and a test compares `config/predictor.yaml` with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor


@dataclass(frozen=True)
class ParameterSpec:
    """One ROS parameter: its type is that of the default; the range is inclusive."""

    name: str
    default: bool | int | float | str
    description: str
    read_only: bool = False
    minimum: float | None = None
    maximum: float | None = None

    def descriptor(self) -> ParameterDescriptor:
        """Return the descriptor that `ros2 param describe` shows."""
        descriptor = ParameterDescriptor(description=self.description, read_only=self.read_only)
        if self.minimum is None:
            return descriptor
        if isinstance(self.default, float):
            # Without field checks an int in a float field arrives as a tiny number, hence the casts.
            limits = FloatingPointRange(from_value=float(self.minimum), to_value=float(self.maximum))
            descriptor.floating_point_range = [limits]
        else:
            descriptor.integer_range = [IntegerRange(from_value=int(self.minimum), to_value=int(self.maximum), step=1)]
        return descriptor


PREDICTOR_PARAMETERS = (
    ParameterSpec(
        "checkpoint",
        "",
        "Checkpoint folder or hub id to predict with; empty: the checkpoint that ships with the package. "
        "Read when the node configures.",
    ),
    ParameterSpec(
        "device",
        "auto",
        "Torch device to predict on, such as cpu or cuda:0; auto: a GPU if there is one. "
        "Read when the node configures.",
    ),
    ParameterSpec("instruction", "", "The first instruction, used until one arrives on the topic.", read_only=True),
    ParameterSpec("steps", 0, "Sampling steps per prediction; 0: the checkpoint's own number.", False, 0, 1000),
    ParameterSpec(
        "seed",
        0,
        "Seed of the noise that every prediction starts from: equal frames give equal predictions.",
        False,
        0,
        2**31 - 1,
    ),
    ParameterSpec("max_rate", 0.0, "Most predictions per second, in hertz; 0.0: as many as possible.", False, 0, 1000),
    ParameterSpec("autostart", True, "Configure and activate without being asked.", read_only=True),
)
CAMERA_PARAMETERS = (
    ParameterSpec("task", "block_hammer_beat", "Task whose shipped episode is played.", read_only=True),
    ParameterSpec("bag", "", "Path of a bag to play instead of a shipped episode.", read_only=True),
    ParameterSpec("bag_topic", "", "Image topic in the bag, needed only if it has several.", read_only=True),
    ParameterSpec("loop", False, "Start again at the end of the episode instead of ending."),
    ParameterSpec(
        "wait_for_subscribers", 0, "Start once this many subscriptions listen to the image topic.", True, 0, 100
    ),
)
# A loaded model keeps what it was loaded with: these may only change while the node is unconfigured.
READ_WHEN_CONFIGURING = ("checkpoint", "device")


def declare_parameters(node: Any, specs: tuple[ParameterSpec, ...]) -> None:
    """Declare all parameters of a table on a node; a bad override raises there, naming the parameter."""
    for spec in specs:
        node.declare_parameter(spec.name, spec.default, spec.descriptor())
