"""The course of the demo: start the nodes, play the tasks, record, score, write."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from framepred_ros.demo.command import DemoError
from framepred_ros.demo.processes import ChildProcess
from framepred_ros.demo.recorder import Recorder, Recording
from framepred_ros.demo.report import write_report
from framepred_ros.demo.scores import Horizon
from framepred_ros.demo.strip import strip_horizons, strip_start
from framepred_ros.prediction.checkpoint import read_checkpoint_info, resolve_checkpoint, shipped_checkpoint
from framepred_ros.replay.episode_bag import EpisodeBag, episodes_by_task

LOADING_DEADLINE = 300.0  # seconds; a full-size model on a slow disk takes a while
MATCHING_DEADLINE = 30.0
PREDICTION_DEADLINE = 60.0  # for the prediction from an episode's last frame


class Demo:
    """The recorder's node, its executor and the predictor process while they last."""

    def __init__(self, options: argparse.Namespace, episodes: dict[str, Path], progress: Progress) -> None:
        self.options = options
        self.progress = progress
        self.logs = Path(options.output) / "logs"
        self.checkpoint = resolve_checkpoint(options.checkpoint or shipped_checkpoint()).resolve()
        self.strip: list[int] = []  # moments of the strip, in steps
        self._episodes = episodes
        self.recorder = Recorder()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.recorder)
        self._change_state = self.recorder.create_client(ChangeState, "predictor/change_state")

    def run(self) -> dict[str, Recording]:
        """Play all tasks to one predictor node; return what was recorded of each."""
        with suppress(ValueError, OSError):  # a checkpoint that is not valid: the node says why
            self.strip = strip_horizons(read_checkpoint_info(self.checkpoint))
        with self.predictor(**({"horizons": self.strip} if self.strip else {})) as predictor:
            self.activate(predictor)
            return {task: self.play(task, predictor) for task in self.options.tasks}

    def predictor(self, **parameters: object) -> ChildProcess:
        """Start the predictor node, unconfigured."""
        parameters = {"checkpoint": str(self.checkpoint), "autostart": False, **parameters}
        return ChildProcess("framepred_ros.predictor_node", self.logs / "predictor_node.log", **parameters)

    def activate(self, predictor: ChildProcess) -> None:
        """Load the model and let the node listen to the camera."""
        waiting = self.progress.add_task("loading the model", total=None)
        self.change_state(predictor, Transition.TRANSITION_CONFIGURE)
        self.change_state(predictor, Transition.TRANSITION_ACTIVATE)
        publishes = self.recorder.count_publishers
        self._wait(lambda: publishes("predicted_frame"), "topic predicted_frame", MATCHING_DEADLINE, predictor)
        self.progress.remove_task(waiting)

    def change_state(self, predictor: ChildProcess, transition: int) -> None:
        """Take the predictor node through a lifecycle transition. Raises DemoError if it fails."""
        self._wait(self._change_state.service_is_ready, "predictor node", LOADING_DEADLINE, predictor)
        future = self._change_state.call_async(ChangeState.Request(transition=Transition(id=transition)))
        self._wait(future.done, "predictor node's lifecycle", LOADING_DEADLINE, predictor)
        if not future.result().success:
            raise DemoError(f"the predictor node did not start\n{predictor.describe_end()}")

    def play(self, task: str, predictor: ChildProcess) -> Recording:
        """Play a task's episode to its end and its last prediction; return what was recorded."""
        count = self._frame_count(task)
        bar = self.progress.add_task(task, total=count)
        recording = self.recorder.start_task()
        # It waits for both listeners, the predictor and the recorder, so that no frame goes unheard.
        parameters = {"task": task, "wait_for_subscribers": 2}
        if self.options.live:
            module = "training.simulation.camera_node"
            parameters |= {} if self.options.seed is None else {"seed": self.options.seed}
        else:
            module = "framepred_ros.camera_node"
            parameters["bag"] = str(self._episodes[task].resolve())
        with ChildProcess(module, self.logs / f"{task}_camera_node.log", **parameters) as camera:
            while camera.exit_code is None:
                self._check(predictor)
                self._executor.spin_once(timeout_sec=0.05)
                self._watch_strip(recording, count)
                self.progress.update(bar, completed=len(recording.frames))
            if camera.exit_code or not recording.frames:
                raise DemoError(
                    f"the camera of task {task} ended with code {camera.exit_code}\n{camera.describe_end()}"
                )
        # The newest frame is always predicted from in the end, so its prediction is the task's last.
        self._wait(
            lambda: recording.predictions and recording.predictions[-1].stamp == recording.frames[-1].stamp,
            f"prediction from the last frame of task {task}",
            PREDICTION_DEADLINE,
            predictor,
        )
        self.progress.update(bar, completed=len(recording.frames), total=len(recording.frames))
        return recording

    def _watch_strip(self, recording: Recording, count: int | None) -> None:
        """Have one strip predicted; more would slow the predictions down that are timed."""
        if recording.strip is not None:
            self.recorder.stop_watching_strip()
        elif self.strip and len(recording.frames) >= strip_start(count):
            self.recorder.watch_strip()

    def _frame_count(self, task: str) -> int | None:
        return None if self.options.live else EpisodeBag(self._episodes[task]).frame_count

    def _wait(self, condition: Callable[[], object], what: str, deadline: float, process: ChildProcess) -> None:
        end = time.monotonic() + deadline
        while not condition():
            self._check(process)
            if time.monotonic() > end:
                raise DemoError(f"waited {deadline:.0f} s in vain for: {what}\n{process.describe_end()}")
            self._executor.spin_once(timeout_sec=0.05)

    def _check(self, process: ChildProcess) -> None:
        if process.exit_code is not None:
            raise DemoError(f"{process.name} ended with code {process.exit_code}\n{process.describe_end()}")


class Count(ProgressColumn):
    """Done and total; rich has such a column from 12.3 on, and Ubuntu 22.04 has 11.2."""

    def render(self, task: Task) -> Text:
        """As `3/12`."""
        return Text(f"{task.completed:.0f}/{'?' if task.total is None else f'{task.total:.0f}'}")


@contextmanager
def ros_and_progress(console: Console) -> Iterator[Progress]:
    """Initialise ROS and show progress for the block; bad checkpoints and bags in it become a DemoError."""
    columns = (TextColumn("{task.description}"), BarColumn(), Count(), TimeElapsedColumn())
    rclpy.init(args=[], signal_handler_options=rclpy.SignalHandlerOptions.NO)
    try:
        with Progress(*columns, console=console) as progress:
            yield progress
    except (FileNotFoundError, ValueError) as error:
        raise DemoError(str(error)) from error
    finally:
        rclpy.try_shutdown()


def run_demo(options: argparse.Namespace) -> None:
    """Run the demo and write its results.

    Raises:
        DemoError: a node does not start or dies, or the checkpoint is missing.
    """
    console = Console()
    with ros_and_progress(console) as progress:
        demo = Demo(options, episodes_by_task(options.episodes), progress)
        recordings = demo.run()
        info = read_checkpoint_info(demo.checkpoint)
        horizon = Horizon(info.horizon, info.step_duration)
        write_report(recordings, horizon, demo.strip, demo.checkpoint.name, options.output, console, progress)
