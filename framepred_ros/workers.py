"""What the processes of a pool do first."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading


def begin_worker() -> None:
    """Leaves Ctrl+C to the parent process, and ends this one when the parent ends, however that happens.

    A worker whose parent was killed would wait for work for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
