"""The course of the monitor demo: normal episodes, then the disturbed one, through real nodes; what is left behind."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lifecycle_msgs.msg import Transition
from rich import box
from rich.console import Console
from rich.table import Table

from framepred_ros.demo.command import DemoError
from framepred_ros.demo.recorder import Recording
from framepred_ros.demo.run import Demo, ros_and_progress
from framepred_ros.files import write_text
from framepred_ros.pictures import save_figure
from framepred_ros.prediction.checkpoint import read_checkpoint_info
from framepred_ros.tables import print_tables

CURVES = (("running_ssim", "running SSIM"), ("running_surprise", "surprise"))


@dataclass(frozen=True)
class Watched:
    """What the monitor said about an episode. Times in seconds after the episode's first frame.

    Attributes:
        wrong_at: when the episode goes wrong; None in a normal one.
        seconds: when the frame of each score arrived.
        scores: by field name (docs/node.md).
    """

    name: str
    wrong_at: float | None
    seconds: list[float]
    scores: list[dict[str, float]]

    @property
    def first_alert(self) -> float | None:
        """When the first alert came."""
        times = (at for at, score in zip(self.seconds, self.scores, strict=True) if score["alert"])
        return next(times, None)


class MonitorDemo(Demo):
    """A predictor node with its monitor on, which keeps what it has learned from one episode to the next."""

    def watch(self) -> list[Watched]:
        """Play all episodes and return what the monitor said about each."""
        info = read_checkpoint_info(self.checkpoint)
        if info.step_duration is None:
            raise DemoError(f"{self.checkpoint} does not say how long a step is, so that no moment can be predicted")
        horizon = info.horizon * info.step_duration
        watched = []
        with self.predictor(monitor=True, monitor_learning=self.options.learning) as predictor:
            self.activate(predictor)
            for name in self._episodes:
                wrong = self.options.wrong_after if name == "disturbed" else None
                watched.append(_watched(name, self.play(name, predictor), horizon, wrong))
                # Predictions from the end of an episode are not to be compared with the beginning of the next.
                self.change_state(predictor, Transition.TRANSITION_DEACTIVATE)
                self.change_state(predictor, Transition.TRANSITION_ACTIVATE)
        return watched


def _watched(name: str, recording: Recording, horizon: float, wrong_after: float | None) -> Watched:
    first, last = recording.frames[0].stamp / 1e9, recording.frames[-1].stamp / 1e9
    scores = list(recording.scores)  # late ones still come in
    seconds = [score["stamp"] + horizon - first for score in scores]
    return Watched(name, None if wrong_after is None else wrong_after * (last - first), seconds, scores)


def run_monitor_demo(options: argparse.Namespace) -> None:
    """Run the demo and write `monitor.json` and `monitor.png`.

    Raises:
        DemoError: a node does not start or dies, or the checkpoint is missing.
    """
    episodes = {f"normal_{number}": bag for number, bag in enumerate(options.normal, 1)} | {
        "disturbed": options.disturbed
    }
    options.live = False
    console = Console()
    with ros_and_progress(console) as progress:
        watched = MonitorDemo(options, episodes, progress).watch()
    options.output.mkdir(parents=True, exist_ok=True)
    content = [asdict(each) | {"first_alert": each.first_alert} for each in watched]
    write_text(options.output / "monitor.json", json.dumps(content, indent=2) + "\n")
    save_picture(options.output / "monitor.png", watched)
    print_tables(results_table(watched), console=console)
    console.print(f"monitor.json and monitor.png are in {options.output}/", soft_wrap=True)


def results_table(watched: list[Watched]) -> Table:
    """Return what the monitor said, as a table."""
    table = Table(title="The monitor's alerts", box=box.SIMPLE_HEAD)
    for heading in ("episode", "scores", "goes wrong at", "first alert at", "after"):
        table.add_column(heading, justify="left" if heading == "episode" else "right")
    for each in watched:
        after = None if None in (each.wrong_at, each.first_alert) else each.first_alert - each.wrong_at
        times = ("-" if value is None else f"{value:.1f} s" for value in (each.wrong_at, each.first_alert, after))
        table.add_row(each.name, str(len(each.scores)), *times)
    return table


def save_picture(path: Path, watched: list[Watched]) -> None:
    """Write a PNG of the running scores over time, all episodes one after the other, alerts shaded."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots(len(CURVES), 1, sharex=True)
    start = 0.0
    for each in watched:
        end = start + (each.seconds[-1] if each.seconds else 0.0)
        for axis, (field, _) in zip(axes, CURVES, strict=True):
            _draw(axis, each, start, field)
            axis.axvline(end, color="0.6", linewidth=0.8)
        axes[0].annotate(each.name, ((start + end) / 2, 1.02), xycoords=("data", "axes fraction"), ha="center")
        start = end
    for axis, (_, label) in zip(axes, CURVES, strict=True):
        axis.set_ylabel(label)
    axes[-1].set_xlabel("seconds of camera; dotted: the block is taken away; red: alert")
    save_figure(figure, path)


def _draw(axis, each: Watched, start: float, field: str) -> None:
    times = [start + at for at in each.seconds]
    axis.plot(times, [score[field] for score in each.scores], color="tab:blue", linewidth=1.2)
    for earlier, later, score in zip(times, times[1:], each.scores, strict=False):
        if score["alert"]:
            axis.axvspan(earlier, later, color="tab:red", alpha=0.3, linewidth=0)
    if each.wrong_at is not None:
        axis.axvline(start + each.wrong_at, color="black", linewidth=1, linestyle=":")
