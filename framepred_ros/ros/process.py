"""What the package's node processes do alike: start ROS, end on Ctrl-C and SIGTERM, report bad options."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import rclpy
from rclpy._rclpy_pybind11 import InvalidHandle
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import get_default_context
from rclpy.waitable import Waitable

from framepred_ros.ros.local_network import drop_deprecated_profile_name
from framepred_ros.ros.signals import note_signals

# What rcl says of an argument that it cannot read, and what to write instead.
REMEDIES = {
    "remap rule": "a rule is NAME:=NEW_NAME, names of letters, digits, _ and /",
    "parameter override rule": "write -p NAME:=VALUE",
    "params file": "give a YAML file of parameters that can be read",
    "log level": "one of debug, info, warn, error, fatal",
}


@contextmanager
def ros_process(args: list[str] | None) -> Iterator[None]:
    """Initialise ROS for the block; Ctrl-C and SIGTERM end the block without a traceback, and the process with 0.

    A ROS argument that cannot be read ends the process with one line that names it.
    """
    received = note_signals()
    drop_deprecated_profile_name()
    try:
        rclpy.init(args=args)
    except RuntimeError as error:  # rclpy raises several, and nothing else is in common
        sys.exit(f"{_command()}: {_of_arguments(str(error))}")
    if received:  # perhaps before rclpy would hear of it
        end_process()
    try:
        yield
    except Exception:
        if rclpy.ok():  # otherwise the signal came while something spun, was being created or published
            raise
    finally:
        rclpy.try_shutdown()
        get_default_context().destroy()  # leaves the network; others would otherwise see the node for some 20 s more


class NodeExecutor(MultiThreadedExecutor):
    """rclpy's executor without three of its faults. Callbacks must be functions, or coroutines that await nothing.

    When one thread destroys a subscription while another gathers what to wait for, rclpy's `spin` ends with
    InvalidHandle: it expects that of subscriptions, timers, clients and services, but not of the subscriptions' events.

    From the moment that a message is there until a thread of the pool takes it, `spin` does not wait: it leaves the
    subscription out, but not its events, and for Fast DDS these are one thing. It would go round some thousand times a
    second, and keep Python from the very thread that is to take the message.

    And whenever `spin` wakes, it gives the pool anew what no thread has begun (github.com/ros2/rclpy/issues/1452).
    """

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """As the base class; what has just been destroyed is no longer waited for."""
        with suppress(InvalidHandle):
            super().spin_once(timeout_sec)

    def wait_for_ready_callbacks(self, *args: Any, **kwargs: Any) -> Any:
        """As the base class, but each callback comes once."""
        handler, entity, node = super().wait_for_ready_callbacks(*args, **kwargs)
        if entity is not None:
            with self._tasks_lock:
                self._tasks = [task for task in self._tasks if task[0] is not handler]
        return handler, entity, node

    def can_execute(self, entity: Any) -> bool:
        """As the base class, but no events of a subscription whose message is about to be taken."""
        return super().can_execute(entity) and not (isinstance(entity, Waitable) and self._in_use(entity))

    def _in_use(self, event: Waitable) -> bool:
        subscriptions = (each for node in self.get_nodes() for each in node.subscriptions)
        return any(each._executor_event and event in each.event_handlers for each in subscriptions)


def create_node(make: Callable[[], Node]) -> Node:
    """Create a node; a start-up option that it refuses ends the process with one line instead of a traceback."""
    try:
        return make()
    except (InvalidParameterTypeException, InvalidParameterValueException, FileNotFoundError, ValueError) as error:
        if not rclpy.ok():  # the process ends, and the node could not be created for that
            raise
        sys.exit(f"{_command()}: {error}")


def _command() -> str:
    return os.path.basename(sys.argv[0])


def _of_arguments(message: str) -> str:
    """Return what rcl says of arguments that it cannot read, without its source lines, and with what to do."""
    if message.startswith("["):  # of rclpy's UnknownROSArgsError
        return f"unknown ROS arguments: {message}"
    text = re.sub(r", at [^\s,]+:\d+", "", message).removeprefix("failed to initialize rcl: ")
    remedy = next((remedy for subject, remedy in REMEDIES.items() if f"parse {subject}" in text), "")
    return f"{text} ({remedy})" if remedy else text


def end_process() -> NoReturn:
    """End the process with exit code 0 at once.

    Taking the interpreter down takes seconds with torch loaded, and aborts the process while a thread is inside torch.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
