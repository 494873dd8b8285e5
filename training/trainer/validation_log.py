"""How a run's validation scores went: JSON lines, TensorBoard, a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from framepred_ros.files import write_text
from framepred_ros.pictures import save_figure
from training.trainer.run_log import read_log

FILE_NAME = "scores.jsonl"
SCORES = {"ssim": "SSIM", "psnr": "PSNR (dB)"}


def log_validation(output: Path, step: int, summary: dict[str, Any]) -> None:
    """Adds a validation to what `output` tells: `validation/scores.jsonl`, `validation/scores.png`, `tensorboard/`.

    If the run was killed and resumed, what it had written about this and later steps is removed.

    Args:
        output: the run's folder, with a folder `validation` in it.
        summary: the scores (`training.evaluation.scoring.scores.summarize`).
    """
    path = output / "validation" / FILE_NAME
    line = {"step": step} | {name: _means(values) for name, values in _subjects(summary).items()}
    lines = [each for each in read_log(path) if each["step"] < step] if path.is_file() else []
    write_text(path, "".join(json.dumps(each) + "\n" for each in [*lines, line]))
    with SummaryWriter(output / "tensorboard") as board:
        for name, mean in line["overall"]["prediction"].items():
            board.add_scalar(f"validation_{name}", mean, step)
    plot_validation(path)


def has_converged(output: Path, patience: int | None) -> bool:
    """Whether none of the last `patience` validations of a run beat the best SSIM before them; False for None."""
    path = output / "validation" / FILE_NAME
    if patience is None or not path.is_file():
        return False
    scores = [line["overall"]["prediction"]["ssim"] for line in read_log(path)]
    return len(scores) - 1 - scores.index(max(scores)) >= patience


def plot_validation(path: Path) -> None:
    """Draws `scores.png` beside `scores.jsonl`: SSIM and PSNR over the steps, of all pairs and of each task."""
    lines = read_log(path)
    steps = [line["step"] for line in lines]
    figure = Figure(figsize=(11, 4), layout="constrained")
    for axis, (score, label) in zip(figure.subplots(1, 2), SCORES.items(), strict=True):
        for name in [name for name in lines[-1] if name != "step"]:
            values = [line[name]["prediction"][score] for line in lines]
            style = {"color": "black", "linewidth": 2, "zorder": 3} if name == "overall" else {"linewidth": 1}
            axis.plot(steps, values, marker="o", markersize=3, label=name, **style)
        axis.axhline(lines[-1]["overall"]["copy"][score], color="gray", linestyle=":", label="overall, copying")
        axis.set(xlabel="step", ylabel=label)
        axis.grid(alpha=0.3)
    figure.axes[0].legend(fontsize="small")
    save_figure(figure, path.with_name("scores.png"))


def _subjects(summary: dict[str, Any]) -> dict[str, Any]:
    return {"overall": summary["overall"], **dict(sorted(summary["tasks"].items()))}


def _means(values: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {subject: {score: values[subject][score]["mean"] for score in SCORES} for subject in ("prediction", "copy")}
