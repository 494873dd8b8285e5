"""What the package's node processes do alike: start ROS, end on Ctrl-C and SIGTERM, report bad options."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import rclpy
from rclpy._rclpy_pybind11 import InvalidHandle, RCLError
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import get_default_context


@contextmanager
def ros_process(args: list[str] | None) -> Iterator[None]:
    """Initialise ROS for the block; Ctrl-C and SIGTERM end the block without a traceback."""
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
    """rclpy's executor, for nodes that take topics back while they run.

    When one thread destroys a subscription while another gathers what to wait for, rclpy's `spin` ends with
    InvalidHandle: it expects that of subscriptions, timers, clients and services, but not of the subscriptions' events.
    """

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """As the base class; what has just been destroyed is no longer waited for."""
        with suppress(InvalidHandle):
            super().spin_once(timeout_sec)


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
