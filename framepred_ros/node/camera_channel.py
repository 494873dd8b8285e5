"""All that belongs to one camera of the node."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import CallbackGroup

from framepred_ros.node.camera_input import CameraInput
from framepred_ros.node.camera_outputs import CameraOutputs
from framepred_ros.node.diagnostics import CameraHealth
from framepred_ros.node.instruction_topic import InstructionTopic
from framepred_ros.node.newest_frames import Frame
from framepred_ros.node.statistics import CameraStatistics

if TYPE_CHECKING:
    from framepred_ros.node.camera_monitor import CameraMonitor


class CameraChannel:
    """A camera's topics and figures.

    Args:
        node: a lifecycle node.
        name: empty for the single camera, which has no instruction topic of its own.
        transport: a key of `framepred_ros.node.camera_input.TRANSPORTS`.
        common: the instruction that all cameras share.
        on_frame: called in the executor with each Frame.
        group: callback group of the subscriptions.
        monitor: None if predictions are not checked.
    """

    def __init__(
        self,
        node: Any,
        name: str,
        transport: str,
        common: InstructionTopic,
        on_frame: Callable[[Frame], None],
        group: CallbackGroup,
        monitor: CameraMonitor | None,
    ) -> None:
        self.name, self.monitor = name, monitor
        self.statistics = CameraStatistics()
        self.input = CameraInput(node, name, transport, on_frame, group)
        self.outputs = CameraOutputs(node, name)
        self._common = common
        self._own = InstructionTopic(node, name, group) if name else None

    @property
    def instruction(self) -> str:
        """The instruction in force: the camera's own once it has got one, else the common one; empty: none."""
        if self._own is not None and self._own.text is not None:
            return self._own.text
        return self._common.text or ""

    def health(self) -> CameraHealth:
        """Return what is to be said about the camera on /diagnostics."""
        monitor = self.monitor.health() if self.monitor is not None else None
        return CameraHealth(self.input.topic, self.instruction, self.statistics.summary(), monitor)

    def close(self) -> None:
        """Take all topics back."""
        self.input.close()
        self.outputs.close()
        if self._own is not None:
            self._own.close()
        if self.monitor is not None:
            self.monitor.close()
