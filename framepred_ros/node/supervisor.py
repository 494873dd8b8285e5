"""The predictor node in a child process, started again when it dies: in a second, because the imports are done."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from framepred_ros.node.model_imports import hidden, lasting_objects
from framepred_ros.ros.signals import end_at_signals

SIGNALS = {signal.SIGINT, signal.SIGTERM}
# Seconds. A child that is killed sooner is started again after longer and longer pauses. One that ends with an error
# sooner is not started again.
SHORT_LIFE = 10.0
LONGEST_DELAY = 30.0  # seconds
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Supervisor:
    """Runs a function in a forked process, and again whenever that is killed. It handles SIGINT and SIGTERM.

    The calling process must have no threads that the child would miss, and must not have imported rclpy.

    Args:
        name: of the child in messages.
        work: what the child does.
    """

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._name, self._work = name, work
        self._child: int | None = None
        self._received: set[int] = set()
        for number in SIGNALS:
            signal.signal(number, self._stop)

    def run(self) -> int:
        """Return the child's exit code once it has ended by itself, or after SIGINT or SIGTERM, which it gets, too."""
        short_lives = 0
        while True:
            started = time.monotonic()
            code = self._run_child()
            lived = time.monotonic() - started
            if self._received or code == 0 or (code > 0 and lived < SHORT_LIFE):
                return max(code, 0)
            short_lives = short_lives + 1 if lived < SHORT_LIFE else 0
            delay = min(2.0 ** max(0, short_lives - 1) - 1, LONGEST_DELAY)  # 0, 0, 1, 3, 7, ...
            cause = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            when = f"in {delay:g} s" if delay else "now"
            print(f"{self._name} {cause} after {lived:.0f} s; it is started again {when}", file=sys.stderr, flush=True)
            time.sleep(delay)

    def _run_child(self) -> int:
        sys.stdout.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # signals wait until both processes have set their handlers
        self._child = os.fork()
        if self._child == 0:
            self._be_child()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        _, status = os.waitpid(self._child, 0)
        self._child = None
        return os.waitstatus_to_exitcode(status)

    def _be_child(self) -> NoReturn:
        code = 1
        try:
            _end_with_parent()
            os.setpgid(0, 0)  # the terminal's signals reach it through the parent alone
            end_at_signals()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._work()
            code = 0
        except SystemExit as error:
            if isinstance(error.code, str):
                print(error.code, file=sys.stderr)
            else:
                code = error.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _stop(self, number: int, _: object) -> None:
        """Pass a signal on, once: in a terminal, Ctrl-C reaches a launched process twice, once through launch."""
        if self._child is None:
            os._exit(0)
        if number in self._received:
            return
        self._received.add(number)
        with suppress(ProcessLookupError):
            os.kill(self._child, number)


def _end_with_parent() -> None:
    """Have this process get SIGTERM when its parent dies, as nobody could start it again then."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def import_all() -> None:
    """Import what takes long: torch, diffusers and transformers, if they are likely to be needed.

    Not rclpy, which starts threads right away.
    """
    with lasting_objects(), hidden(["peft"]):  # the checkpoint, whose scheduler may need scipy, is not known yet
        from framepred_ros.prediction.light.choice import runs_light_models

        if not runs_light_models():
            import framepred_ros.prediction.torch_predictor  # noqa: F401


def main(args: list[str] | None = None) -> None:
    """Run the node, with the same arguments as `predictor_node`, until Ctrl-C or SIGTERM."""
    # Asks the driver's management library for GPUs, should an import ask: CUDA itself cannot be shared with a fork.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    supervisor = Supervisor("predictor_node", lambda: _run_node(args))
    import_all()
    sys.exit(supervisor.run())


def _run_node(args: list[str] | None) -> None:
    from framepred_ros.node.predictor_node import main as run

    run(args)


if __name__ == "__main__":
    main()
