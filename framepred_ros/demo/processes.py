"""Child processes of the demo: started in a session of their own, logged to a file, always ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

STOP_TIMEOUT = 5.0  # seconds between SIGINT and SIGKILL, as `ros2 launch` has it


class ChildProcess:
    """A Python module as a node in a process of its own, ended at the end of the block.

    Args:
        module: run as `python -m`.
        log: file for its output.
        remap: ROS remappings, such as __ns:=/left.
        parameters: ROS parameters.
    """

    def __init__(self, module: str, log: Path, remap: Sequence[str] = (), **parameters: object) -> None:
        self.name = module.rsplit(".", 1)[-1]
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        # ROS reads the values as YAML, of which JSON is a part, so quoted text stays text.
        options = [
            word
            for name, value in parameters.items()
            for word in ("-p", f"{name}:={json.dumps(value, ensure_ascii=False)}")
        ]
        options += [word for rule in remap for word in ("-r", rule)]
        environment = dict(os.environ)
        source = str(Path(__file__).resolve().parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [source, environment.get("PYTHONPATH")]))
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, "--ros-args", *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends its children in order
            )

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def stop(self, number: int = signal.SIGINT) -> int:
        """End the process with a signal, and with SIGKILL if that does not help; return the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def describe_end(self) -> str:
        """Return the last lines of the log, for an error message."""
        lines = self.log.read_text(errors="replace").strip().splitlines()[-5:]
        return "\n".join([f"{self.name} says in {self.log}:", *(f"  {line}" for line in lines)])
