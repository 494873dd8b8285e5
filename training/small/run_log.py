"""The log of a training run: JSON lines, the progress bar's numbers, and a picture of the loss."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from framepred_ros.checkpoint import write_text_atomically

FILE_NAME = "log.jsonl"


class RunLog:
    """Averages what the steps report and appends a line every `every` steps.

    A resumed run first drops the lines after the step it resumes from, so that the log never tells a step twice.
    """

    def __init__(self, folder: Path, step: int, every: int, enabled: bool = True):
        self.path, self.every, self.enabled = folder / FILE_NAME, every, enabled
        self.pending: list[dict[str, float]] = []
        self.since = time.monotonic()
        if enabled and self.path.is_file():
            kept = [line for line in read_log(self.path) if line["step"] <= step]
            write_text_atomically(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def add(self, values: dict[str, float], bar: tqdm) -> None:
        """Takes the values of one step; "step" and "learning_rate" are logged as they are, the others as means."""
        if not self.enabled:
            return
        self.pending.append(values)
        if values["step"] % self.every:
            return
        now = time.monotonic()
        line = {name: _mean([entry[name] for entry in self.pending]) for name in values}
        line |= {"step": values["step"], "learning_rate": values["learning_rate"]}
        line["seconds_per_step"] = (now - self.since) / len(self.pending)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        psnr = line["one_step_psnr"]
        bar.set_postfix_str(f"loss {line['loss']:.4f}" + (f", one-step PSNR {psnr:.1f} dB" if psnr else ""))
        self.pending, self.since = [], now

    def plot(self) -> None:
        """Draws `loss.png`: the loss and the one-step PSNR over the steps."""
        lines = read_log(self.path) if self.path.is_file() else []
        if not lines:
            return
        figure = Figure(figsize=(9, 6), layout="constrained")
        axes = figure.subplots(2, 1, sharex=True)
        for axis, name, label in zip(axes, ("loss", "one_step_psnr"), ("loss", "one-step PSNR [dB]"), strict=True):
            points = [(line["step"], line[name]) for line in lines if line[name] is not None]
            steps, values = np.array(points).T if points else ((), ())
            axis.plot(steps, values, alpha=0.3)
            axis.plot(steps, _smooth(values))
            axis.set_ylabel(label)
            axis.grid(alpha=0.3)
        axes[0].set_yscale("log")
        axes[1].set_xlabel("step")
        figure.savefig(self.path.with_name("loss.png"), dpi=100)


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log; a last line cut short by a crash is dropped."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def _mean(values: list[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None


def _smooth(values, share: float = 0.05) -> np.ndarray:
    """A running mean over a share of all points, shorter at both ends."""
    width = max(1, int(len(values) * share)) | 1
    if width == 1:
        return np.asarray(values)
    ones = np.ones(width)
    return np.convolve(values, ones, "same") / np.convolve(np.ones(len(values)), ones, "same")
