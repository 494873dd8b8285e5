"""Training runs for tests: arguments, tiny versions of every recipe, and real processes that can be killed."""

import multiprocessing
import os
import socket
from pathlib import Path

from safetensors import safe_open

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "training" / "recipes"
# Starting a fresh interpreter with torch and diffusers takes seconds; processes forked from this server do not.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["training.trainer.session", "training.full.learner", "training.small.learner"])

TINY = (  # what makes a recipe of ours a matter of seconds
    "resolution=[64, 96]",
    "optimization.epochs=null",
    "optimization.max_steps=4",
    "optimization.batch_size=2",
    "optimization.warmup_steps=1",
    "validation.episodes_per_task=1",
    "validation.pairs_per_task=1",
    "run.mixed_precision=no",
    "run.compile=false",
    "run.cpu_threads=1",
    "run.log_every=2",
)


def arguments(dataset: Path, output: Path, *more: str, recipe: str = "smoke") -> list[str]:
    """Arguments of `training.train` for a recipe of ours, on the CPU."""
    files = ["--recipe", str(RECIPES / f"{recipe}.yaml"), "--dataset", str(dataset), "--output", str(output)]
    return [*files, "--device", "cpu", *more]


def newest_state(output: Path) -> Path:
    """The file of the newest state of a run."""
    return max((output / "states").glob("step_*.safetensors"))


def steps_saved(output: Path) -> int:
    """Steps of the newest state of a run, 0 without one."""
    if not list((output / "states").glob("step_*.safetensors")):
        return 0
    with safe_open(newest_state(output), "pt") as file:
        return int(file.metadata()["step"])


def start(command: list[str], **environment: str) -> multiprocessing.Process:
    """Starts a real process that runs `training.train` with these arguments."""
    process = PROCESSES.Process(target=_train, args=(command, environment), daemon=True)
    process.start()
    return process


def run_in_pair(command: list[str]) -> list[int | None]:
    """Runs the command in two processes that exchange gradients by gloo; returns their exit statuses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared["ACCELERATE_USE_CPU"] = "true"
    pair = [start(command, **shared, RANK=str(rank), LOCAL_RANK=str(rank)) for rank in (0, 1)]
    for process in pair:
        process.join(120)
        process.kill()
    return [process.exitcode for process in pair]


def _train(command: list[str], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    from training.train import main

    raise SystemExit(main(command))
