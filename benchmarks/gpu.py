"""One command for a day with a GPU: tests, compositing, predictions, training and memory there, in nine minutes.

python -m benchmarks.gpu [--small] [--minutes 9] [--parts NAME...] [--out DIR]

Each part is a process of its own with its own limit of time; what one has measured before it failed is kept.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.gpu_journal import read_journal
from benchmarks.gpu_report import write

ROOT = Path(__file__).parents[1]
MINUTES = 9.0
SECONDS = {"tests": 85, "compositing": 35, "prediction": 180, "training": 130, "memory": 100}
"""Of each part, in their order, when there are nine minutes; ten seconds are left for the rest."""
LAST_LINES = 40  # of the log of a part that failed, in which its error is looked for


@dataclass(frozen=True)
class Part:
    """A part of the day: its name, how long it may take, and the command that runs it.

    Each `{result}` in the command becomes the file that its journal is expected in, each `{seconds}` its limit.
    """

    name: str
    seconds: float
    command: Sequence[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 all parts are done, 1 one is not, or bad input."""
    args = _parse(arguments)
    try:
        device = choose_device(args.device, args.small)
        args.out.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        print(f"benchmarks.gpu: {error}", file=sys.stderr)
        return 1
    scale = args.minutes / MINUTES
    parts = [Part(name, scale * SECONDS[name], command(name, device, args.small)) for name in args.parts]
    return run(parts, args.out, {"device": device, "small": args.small})


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="tiny sizes, and the CPU if there is no GPU: a rehearsal")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="cpu only with --small")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"for all together (default: {MINUTES:g})")
    parser.add_argument("--parts", nargs="+", choices=tuple(SECONDS), default=tuple(SECONDS), help="default: all")
    out = Path(os.environ.get("OUT") or "gpu_results")
    parser.add_argument("--out", type=Path, default=out, help="folder for gpu.json and gpu.md (default: $OUT)")
    return parser.parse_args(arguments)


def choose_device(name: str, small: bool) -> str:
    """The device to measure, "cuda" or "cpu". Raises ValueError for a CPU that is to do a GPU's work."""
    if name == "auto":
        import torch

        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu" and not small:
        raise ValueError("there is no CUDA device; --small rehearses everything on the CPU")
    return name


def command(name: str, device: str, small: bool) -> list[str]:
    """The command that runs a part."""
    words = [sys.executable, "-m", "benchmarks.gpu_parts", name, "--device", device]
    return [*words, *["--small"] * small, "--result", "{result}", "--seconds", "{seconds}"]


def run(parts: Sequence[Part], out: Path, facts: dict[str, Any]) -> int:
    """Runs the parts in turn and writes gpu.json and gpu.md after each; returns the exit status.

    Seconds that a part leaves over are the next one's.
    """
    content = {"commit": _commit(), **facts, "environment": {}, "parts": {}}
    saved = 0.0
    with tempfile.TemporaryDirectory() as folder, tqdm(parts, desc="parts", unit="part") as bar:
        for part in bar:
            bar.set_description(part.name)
            limit = part.seconds + saved
            outcome = run_part(part, limit, Path(folder), out / f"{part.name}.log")
            saved = max(0.0, limit - outcome["seconds"])
            content["environment"] = outcome.pop("environment") or content["environment"]
            content["parts"][part.name] = outcome
            write(out, content)  # after each, so that nothing is lost if this process is ended
    print((out / "gpu.md").read_text(encoding="utf-8"))
    return int(any(outcome["status"] != "done" for outcome in content["parts"].values()))


def run_part(part: Part, limit: float, folder: Path, log: Path) -> dict[str, Any]:
    """Runs a part for at most `limit` seconds and returns its outcome.

    The fields are `status` ("done", "failed" or "out of time"), `error` (None or one line), `seconds`, `limit`, and
    what its journal holds: `environment` and `rows`.
    """
    result, started = folder / f"{part.name}.json", time.monotonic()
    words = [word.replace("{result}", str(result)).replace("{seconds}", f"{limit:.3f}") for word in part.command]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = "failed" if process.wait(limit) else "done"
        except subprocess.TimeoutExpired:
            status = "out of time"
        finally:
            _end(process)
    journal = read_journal(result)
    error = None
    if status != "done":
        error = "; ".join(journal["failures"]) or _last_line(log) or f"ended with status {process.returncode}"
    outcome = {"status": status, "error": error, "seconds": time.monotonic() - started, "limit": limit}
    return outcome | {"environment": journal["environment"], "rows": journal["rows"]}


def _end(process: subprocess.Popen) -> None:
    """Ends a part that runs on, and what it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(log: Path) -> str:
    """The error that a Python process ended with, or whatever else it said last."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]]
    return next((line for line in reversed(lines) if line), "")


def _commit() -> str | None:
    """The commit that is measured, with "+" if files differ from it; None outside a git repository."""
    try:
        commit, changes = (
            subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + "+" * bool(changes)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a part, a session of its own, ends with us
    sys.exit(main())
