"""What a training run reports: JSON lines, TensorBoard, the progress bar's numbers, a picture of the loss."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from framepred_ros.files import write_text
from framepred_ros.pictures import save_figure

FILE_NAME = "log.jsonl"
WINDOW = 50  # steps of the running average, as in the paper's figures 2 and 3


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number; the message says since when, and what to do."""


class RunLog:
    """Collects what the steps report, one line a step, and reads it from the device only when it is written.

    A resumed run first drops the lines after the step it resumes from, so that no step is in the log twice.

    Args:
        write: whether this process writes; every process checks.
        scaled: whether a gradient scaler is at work, which copes with infinite gradients by itself.
    """

    def __init__(self, folder: Path, step: int, write: bool = True, scaled: bool = False):
        self.path, self.enabled, self.scaled = folder / FILE_NAME, write, scaled
        self.pending: list[dict[str, torch.Tensor | float]] = []
        self.since = time.monotonic()
        self.board = SummaryWriter(folder / "tensorboard", purge_step=step + 1) if write else None
        if write and self.path.is_file():
            kept = [line for line in read_log(self.path) if line["step"] <= step]
            write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def add(self, values: dict[str, torch.Tensor | float]) -> None:
        """Takes the values of one step, "step", "loss" and "gradient_norm" among them."""
        self.pending.append(values)

    def flush(self, bar: tqdm) -> None:
        """Writes what was collected.

        Raises DivergedError if a loss or a gradient is not finite; nothing from that step on is written.
        """
        lines = [{name: _number(value) for name, value in values.items()} for values in self.pending]
        bad = next((index for index, line in enumerate(lines) if self._diverged(line)), len(lines))
        seconds = (time.monotonic() - self.since) / max(1, len(lines))
        self.pending, self.since = [], time.monotonic()
        if self.enabled and bad:
            self._write([line | {"seconds_per_step": seconds} for line in lines[:bad]], bar)
        if bad < len(lines):
            raise DivergedError(
                f"loss {lines[bad]['loss']}, gradient norm {lines[bad]['gradient_norm']} at step {lines[bad]['step']}: "
                "the run has diverged. The states saved before are good; try a lower optimization.learning_rate or "
                "run.mixed_precision=no with --resume auto"
            )

    def close(self) -> None:
        """Ends TensorBoard's file."""
        if self.enabled:
            self.board.close()

    def draw(self) -> None:
        """Draws the picture of the loss so far."""
        if self.enabled:
            plot(self.path)

    def _diverged(self, line: dict[str, float | None]) -> bool:
        return line["loss"] is None or (line["gradient_norm"] is None and not self.scaled)

    def _write(self, lines: list[dict[str, float | None]], bar: tqdm) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
        for line in lines:
            for name, value in line.items():
                if name != "step" and value is not None:
                    self.board.add_scalar(name, value, line["step"])
        psnr = [line["one_step_psnr"] for line in lines if line.get("one_step_psnr") is not None]
        bar.set_postfix_str(
            f"loss {np.mean([line['loss'] for line in lines]):.4f}, rate {lines[-1]['learning_rate']:.2g}"
            + (f", one-step PSNR {np.mean(psnr):.1f} dB" if psnr else "")
        )


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log; a last line cut short by a crash is dropped."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def plot(path: Path) -> None:
    """Draws `loss.png` beside a log: every step's loss, and its running average over `WINDOW` steps."""
    lines = read_log(path) if path.is_file() else []
    if not lines:
        return
    figure = Figure(figsize=(9, 5), layout="constrained")
    axis = figure.subplots()
    steps, losses = np.array([(line["step"], line["loss"]) for line in lines]).T
    axis.plot(steps, losses, color="tab:blue", alpha=0.35, linewidth=0.8, label="loss of each step")
    axis.plot(steps, running_average(losses), color="tab:purple", label=f"running average over {WINDOW} steps")
    axis.set(xlabel="step", ylabel="training loss", yscale="log")
    axis.grid(alpha=0.3, which="both")
    axis.legend()
    save_figure(figure, path.with_name("loss.png"))


def running_average(values: np.ndarray) -> np.ndarray:
    """The mean of each value and those before it, `WINDOW` in all, fewer at the start; (N,) from (N,)."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - WINDOW)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _number(value: torch.Tensor | float) -> float | int | None:
    """A plain number, or None for what JSON cannot hold."""
    value = value.item() if isinstance(value, torch.Tensor) else value
    return value if math.isfinite(value) else None
