"""Ctrl-C and SIGTERM end a node's process quietly, whenever they come. Without imports that take long."""

from __future__ import annotations

import os
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def end_at_signals() -> None:
    """End the process with exit code 0 at the first SIGINT or SIGTERM: there is nothing to tidy up during imports."""
    for number in SIGNALS:
        signal.signal(number, lambda *_: os._exit(0))


def note_signals() -> list[int]:
    """Only note SIGINT and SIGTERM from now on, in the list that is returned, and interrupt nothing.

    rclpy, once it is initialised, hears of them as well and ends what spins. An exception besides would come anywhere,
    in the tidying up too: in a terminal, Ctrl-C reaches a launched node twice, once through launch.
    """
    received: list[int] = []
    for number in SIGNALS:
        signal.signal(number, lambda number, _: received.append(number))
    return received
