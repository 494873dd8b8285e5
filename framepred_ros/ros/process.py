"""What the package's node processes do alike: start ROS, end on Ctrl-C and SIGTERM, report bad options."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import rclpy
from rclpy._rclpy_pybind11 import InvalidHandle, RCLError
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import get_default_context
from rclpy.waitable import Waitable

from framepred_ros.ros.local_network import drop_deprecated_profile_name


@contextmanager
def ros_process(args: list[str] | None) -> Iterator[None]:
    """Initialise ROS for the block; Ctrl-C and SIGTERM end the block without a traceback."""
    drop_deprecated_profile_name()
    rclpy.init(args=args)
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RCLError:
        if rclpy.ok():  # otherwise the signal came while something was being created or published
            raise
    finally:
        _ignore_signals()
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


def _ignore_signals() -> None:
    """Let nothing interrupt the end: in a terminal, Ctrl-C reaches a launched node twice, once through launch."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)


def create_node(make: Callable[[], Node]) -> Node:
    """Create a node; a start-up option that it refuses ends the process with one line instead of a traceback."""
    try:
        return make()
    except (InvalidParameterTypeException, InvalidParameterValueException, FileNotFoundError, ValueError) as error:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {error}")


def end_process() -> NoReturn:
    """End the process with exit code 0 at once.

    Taking the interpreter down takes seconds with torch loaded, and aborts the process while a thread is inside torch.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
