"""Training runs for tests: arguments, tiny versions of every recipe, and real processes that can be killed."""

import multiprocessing
import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "training" / "recipes"
# Starting a fresh interpreter with torch and diffusers takes seconds; processes forked from this server do not.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["training.runs.session", "training.full.learner", "training.small.learner"])

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


def assert_same_training(output: Path, other: Path) -> None:
    """Two runs ended with the same weights, to the rounding of sums taken in another order."""
    one, two = (load_file(newest_state(folder)) for folder in (output, other))
    assert one.keys() == two.keys()
    for name in (name for name in one if name.startswith(("model.", "ema."))):
        torch.testing.assert_close(one[name], two[name], atol=2e-4, rtol=1e-3)


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


def free_port() -> str:
    """A port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def launch(config: str, *words: object) -> subprocess.Popen:
    """Starts `accelerate launch` with one of our launch configurations and more of its arguments."""
    file = RECIPES.parent / "launch_configs" / f"{config}.yaml"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", file, *words]
    return subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for(processes: list[subprocess.Popen]) -> None:
    """Waits for launched processes, and fails with what they said if one of them did."""
    try:
        outputs = [process.communicate(timeout=240)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(outputs)


def run_in_pair(command: list[str]) -> list[int | None]:
    """Runs the command in two processes that exchange gradients by gloo; returns their exit statuses."""
    port = free_port()
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
