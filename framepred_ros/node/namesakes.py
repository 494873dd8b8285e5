"""Other nodes of the same name: each topic then has two publishers, and every prediction comes twice."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from framepred_ros.ros.guards import guarded

PROCESS = "process"  # the entry of a node's status by which two nodes of the same name are told apart
FORGOTTEN_AFTER = 5.0  # seconds without its status


def this_process() -> str:
    """Return what identifies this process: its number and the machine's name."""
    return f"{os.getpid()} on {socket.gethostname()}"


class Namesakes:
    """Finds the processes of other nodes of the same name by their status on /diagnostics.

    Listens there only while the graph shows the name twice. The graph alone is not enough: it shows a killed node
    for some 20 s more.

    Args:
        node: whose name it is.
        group: callback group of the subscription.
        clock: returns seconds.
    """

    def __init__(self, node: Node, group: CallbackGroup, clock: Callable[[], float] = time.monotonic) -> None:
        self._node, self._group, self._clock = node, group, clock
        self._name = node.get_fully_qualified_name()
        self._heard: dict[str, float] = {}  # when each other process was heard last
        self._subscription: Any = None

    def look(self) -> list[str]:
        """Return the other processes, as `this_process` names them; asked once a second."""
        own = self._node.get_name(), self._node.get_namespace()
        shared = self._node.get_node_names_and_namespaces().count(own) > 1
        if shared and self._subscription is None:
            self._listen()
        elif not shared and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self._heard.clear()
            return []
        oldest = self._clock() - FORGOTTEN_AFTER
        self._heard = {process: heard for process, heard in self._heard.items() if heard >= oldest}
        return sorted(self._heard)

    def _listen(self) -> None:
        listen = guarded(self._node, self._take)
        try:
            self._subscription = self._node.create_subscription(
                DiagnosticArray, "/diagnostics", listen, 10, callback_group=self._group
            )
        except RuntimeError as error:  # DDS security may forbid it
            text = f"The name {self._name} is in use twice; /diagnostics cannot be read to say by whom: {error}"
            self._node.get_logger().warning(text, throttle_duration_sec=600.0)

    def _take(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.name == self._name:
                processes = {pair.value for pair in status.values if pair.key == PROCESS} - {this_process()}
                self._heard.update(dict.fromkeys(processes, self._clock()))
