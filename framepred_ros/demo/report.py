"""What the demo leaves behind: pictures, summary.json and the table on the screen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from framepred_ros.demo.pictures import save_animation, save_comparison, save_predicted_frames
from framepred_ros.demo.recorder import Recording
from framepred_ros.demo.scores import Horizon, outcomes, score_recording
from framepred_ros.demo.strip import match_strip, save_strips
from framepred_ros.files import write_text
from framepred_ros.tables import print_tables


def write_report(
    recordings: dict[str, Recording],
    horizon: Horizon,
    strip: Sequence[int],
    checkpoint: str,
    output: Path,
    console: Console,
    progress: Progress,
) -> None:
    """Score the recordings, write everything into `output` and print the table; `strip` are its moments in steps."""
    summary = {"checkpoint": checkpoint, "tasks": {}}
    matched = {}
    bar = progress.add_task("scoring, drawing", total=len(recordings))
    frames = output / "predicted_frames"
    shutil.rmtree(frames, ignore_errors=True)
    for task, recording in recordings.items():
        matched[task] = outcomes(recording, horizon.steps)
        summary["tasks"][task] = score_recording(recording, matched[task], horizon)
        save_predicted_frames(task, recording, frames / task)
        if matched[task]:
            save_animation(output / f"{task}.gif", matched[task], horizon)
        progress.advance(bar)
    if pictured := {task: each for task, each in matched.items() if each}:
        save_comparison(output / "comparison.png", pictured, horizon)
    strips = {task: match_strip(recording, strip) for task, recording in recordings.items()}
    (output / "strip.png").unlink(missing_ok=True)
    if found := {task: each for task, each in strips.items() if each}:
        save_strips(output / "strip.png", found, strip, horizon.step_duration)
    write_text(output / "summary.json", json.dumps(summary, indent=2) + "\n")
    progress.stop()
    print_tables(results_table(summary["tasks"]), console=console)
    also = ", strip.png" if found else ""
    console.print(
        f"Predicted frames, animations, comparison.png{also} and summary.json are in {output}/", soft_wrap=True
    )


def results_table(tasks: dict[str, dict]) -> Table:
    """Return the tasks' scores as a table."""
    table = Table(
        title="Predictions against the frames that later arrived",
        caption="ms: from frame stamp to publication; copy: scores of the current frame",
        box=box.SIMPLE_HEAD,
        padding=0,
        collapse_padding=True,
    )
    table.add_column("task", no_wrap=True)
    for heading in ("frames", "pred.", "per s", "median ms", "p95 ms", "SSIM", "copy", "PSNR dB", "copy"):
        table.add_column(heading, justify="right")
    for task, scores in tasks.items():
        ours, copy = scores["prediction"], scores["copying_the_current_frame"]
        table.add_row(
            task,
            str(scores["frames_sent"]),
            str(scores["predictions_published"]),
            _number(scores["prediction_rate"], 1),
            _number(1000 * scores["latency"]["median"], 0),
            _number(1000 * scores["latency"]["p95"], 0),
            *(_number(score, 3) for score in (ours["ssim"], copy["ssim"])),
            *(_number(score, 1) for score in (ours["psnr"], copy["psnr"])),
        )
    return table


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
