"""What the demos' commands do alike: the ROS environment, signals, exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from framepred_ros.ros.local_network import drop_deprecated_profile_name, free_domain_id, local_environment


class DemoError(Exception):
    """The demo cannot go on; the text says why and which log to read."""


def run_command(run: Callable[[], None]) -> int:
    """Run a demo; return the exit code: 0 done, 1 it could not go on, 130 interrupted.

    `run` imports what makes ROS contexts itself: ROS reads the environment that is set here once, when the first one is
    made; child processes inherit it.
    """
    os.environ.update(local_environment(int(os.environ.get("ROS_DOMAIN_ID") or free_domain_id())))
    drop_deprecated_profile_name()
    # SIGTERM ends the children as Ctrl-C does; and Ctrl-C does so even where a shell started this with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        run()
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: stopped", file=sys.stderr)
        return 130
    return 0
