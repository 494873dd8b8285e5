"""Callbacks whose exceptions are logged. Otherwise rclpy ends the process, or in a transition says nothing at all.

Also a clock for timers that must go on when the clock of a simulation stands still.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy._rclpy_pybind11 import RCLError
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.node import Node


def guarded(node: Node, callback: Callable[..., Any]) -> Callable[..., Any]:
    """Return the callback with every exception logged, at most once in five seconds, instead of raised.

    Args:
        node: whose log it is.
        callback: of a subscription, timer or event; what it returns is passed on.
    """

    @functools.wraps(callback)
    def call(*arguments: Any) -> Any:
        try:
            return callback(*arguments)
        except Exception as error:
            if node.context.ok():  # otherwise the process ends, and what the callback used may be gone already
                node.get_logger().error(f"{callback.__qualname__} failed: {_text(error)}", throttle_duration_sec=5.0)
                node.get_logger().debug(traceback.format_exc())

    return call


def steady_clock() -> Clock:
    """Return a clock for timers that must not stop. The clock of a simulation may stand still, or never start."""
    return Clock(clock_type=ClockType.STEADY_TIME)


def transition(method: Callable[[Any, LifecycleState], TransitionCallbackReturn]) -> Callable:
    """Return FAILURE for whatever a lifecycle callback raises: rclpy would swallow it and report ERROR.

    The node's `transition_ended(name, error)` is told how it went; the error is empty after a success.
    """
    name = method.__name__.removeprefix("on_")

    @functools.wraps(method)
    def call(self: Node, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            result = method(self, state)
        except Exception as error:
            self.get_logger().debug(traceback.format_exc())
            self.transition_ended(name, _text(error))
            return TransitionCallbackReturn.FAILURE
        if result == TransitionCallbackReturn.SUCCESS:
            self.transition_ended(name, "")
        return result

    return call


def refuse_illegal_transitions(node: Node) -> None:
    """Answer an illegal transition with `success` false: up to Jazzy, rclpy raises instead, which ends the process.

    Args:
        node: a lifecycle node whose services are there already.
    """
    for service in node.services:
        if service.srv_type is ChangeState:
            service.callback = _refusing(node, service.callback)


def _refusing(node: Node, callback: Callable[..., Any]) -> Callable[..., Any]:
    def call(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
        try:
            return callback(request, response)
        except RCLError as error:
            if not node.context.ok():  # the process ends
                raise
            node.get_logger().error(f"No transition {request.transition.id} {request.transition.label}: {error}")
            response.success = False
            return response

    return call


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
