"""False alarms and found disturbances of the prediction monitor, offline: the node's predictor and monitor on episodes.

python -m benchmarks.monitor --learn EPISODES --normal EPISODES --disturbed EPISODES --out DIR

Make the episodes with training.simulate: `--first-seed` at least 1,000,000 (never trained on), the disturbed ones with
`--remove-block-at 0.5`. Per task the limits are learned from the `--learn` episodes alone. Scores are kept in DIR, so
that an interrupted measurement goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.table import Table
from tqdm import tqdm

from benchmarks.monitor_picture import save_timelines
from framepred_ros.files import write_text
from framepred_ros.monitoring.judgement import ALERT, LEARNING, Judgement, Limits, MonitorScore
from framepred_ros.monitoring.prediction_monitor import MonitorOptions, PredictionMonitor
from framepred_ros.prediction.checkpoint import resolve_checkpoint, shipped_checkpoint
from framepred_ros.tables import print_tables
from training.episodes import Episode, EpisodeError, open_source

GROUPS = ("learn", "normal", "disturbed")
STEP_DURATION = 0.06  # seconds, for checkpoints that do not say


@dataclass(frozen=True)
class Timeline:
    """A judged episode. Seconds are of the episode; `scores` and `states` belong together.

    Attributes:
        removed: seconds at which the block was taken away; None in a normal episode.
    """

    group: str
    task: str
    number: int
    removed: float | None
    seconds: list[float]
    scores: list[MonitorScore]
    states: list[str]
    running: list[dict[str, float]]
    limits: Limits

    @property
    def alert(self) -> float | None:
        """When the first alert came; None if none did."""
        return next((at for at, state in zip(self.seconds, self.states, strict=True) if state == ALERT), None)

    def found(self, horizon: float) -> bool:
        """Whether the first alert came within a horizon after the removal."""
        return self.alert is not None and 0 <= self.alert - self.removed <= horizon


def score_episode(episode: Episode, predict, options: MonitorOptions, every: int) -> list[MonitorScore]:
    """Play an episode to a monitor at the episode's own rate, predicting from every `every`th frame.

    Args:
        predict: takes a frame, RGB uint8 (height, width, 3), and an instruction; returns the predicted frame.
    """
    monitor, scores = PredictionMonitor(options), []
    instruction = (episode.unseen or episode.seen)[0]
    for index, frame in episode.read():
        stamp = round(index * episode.step_duration * 1e9)
        score = monitor.add_frame(stamp, frame)
        if score is not None:
            scores.append(score)
        if index % every == 0 and index + options.horizon / episode.step_duration < len(episode):
            monitor.add_prediction(stamp, frame, predict(frame, instruction))
    return scores


def learn_limits(episodes: Sequence[list[MonitorScore]], options: MonitorOptions) -> Limits:
    """Learn as the node does, from episodes in turn and, if they are too few, once more."""
    judgement = Judgement(options.window, options.learning, Limits(options.lowest_ssim, options.highest_surprise))
    for scores in itertools.chain.from_iterable(itertools.repeat(list(episodes), 20)):
        judgement.reset(relearn=False)
        for score in scores:
            judgement.add(score)
        if judgement.state != LEARNING:
            return judgement.limits
    raise ValueError(f"--learn holds too few scores of moving scenes for {options.learning} to learn from")


def judge(group: str, episode: Episode, scores: list[MonitorScore], limits: Limits, options: MonitorOptions, removed):
    """Return the `Timeline` of an episode under limits that are given."""
    judgement = Judgement(options.window, options.learning, limits)
    states, running = [], []
    for score in scores:
        judgement.add(score)
        states.append(judgement.state)
        running.append(judgement.running)
    seconds = [score.stamp_ns / 1e9 + options.horizon for score in scores]
    at = None if removed is None else round(removed * len(episode)) * episode.step_duration
    return Timeline(group, episode.task, episode.number, at, seconds, scores, states, running, limits)


class ScoreFolder:
    """Scores of episodes, kept as JSON under a name made of all that they depend on."""

    def __init__(self, folder: Path, checkpoint: Path, options: MonitorOptions, every: int) -> None:
        weights = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(checkpoint.glob("unet/*.safetensors"))))
        self._key = [weights.hexdigest(), asdict(options), every]
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, group: str, episode: Episode) -> Path:
        """The file of an episode's scores."""
        digest = hashlib.sha256(json.dumps([*self._key, str(Path(episode.path).resolve())]).encode()).hexdigest()[:12]
        return self._folder / f"{group}_{episode.task}_{episode.number}_{digest}.json"

    def read(self, path: Path) -> list[MonitorScore] | None:
        """The kept scores; None if there are none."""
        return [MonitorScore(**row) for row in json.loads(path.read_text())] if path.is_file() else None

    def write(self, path: Path, scores: Iterable[MonitorScore]) -> None:
        """Keep an episode's scores."""
        write_text(path, json.dumps([asdict(score) for score in scores]))


def measure(arguments: argparse.Namespace) -> list[Timeline]:
    """Score and judge all episodes.

    Raises:
        EpisodeError, ValueError, FileNotFoundError: episodes or checkpoint cannot be read or are too few.
    """
    checkpoint = resolve_checkpoint(arguments.checkpoint or shipped_checkpoint())
    from framepred_ros.prediction.predictor import FramePredictor  # torch: only for good arguments

    predictor = FramePredictor.from_pretrained(checkpoint, device=arguments.device)
    options = MonitorOptions(horizon=predictor.horizon * (predictor.step_duration or STEP_DURATION))
    kept = ScoreFolder(arguments.out / "scores", checkpoint, options, arguments.every)
    work = [
        (group, episode)
        for group in GROUPS
        for path in getattr(arguments, group)
        for episode in open_source(path).episodes
    ]
    scored = []
    for group, episode in tqdm(work, unit="episode", desc="predicting and scoring"):
        path = kept.path(group, episode)
        scores = kept.read(path)
        if scores is None:
            scores = score_episode(episode, predictor.predict, options, arguments.every)
            kept.write(path, scores)
        scored.append((group, episode, scores))
    limits = {
        task: learn_limits([scores for group, each, scores in scored if (group, each.task) == ("learn", task)], options)
        for task in {episode.task for _, episode in work}
    }
    return [
        judge(group, each, scores, limits[each.task], options, arguments.removed_at if group == "disturbed" else None)
        for group, each, scores in scored
    ]


def summarise(timelines: list[Timeline], horizon: float) -> list[dict]:
    """One row per task: episodes, scores, false alarms, and how many removals were found and when."""
    rows = []
    for task in sorted({each.task for each in timelines}):
        normal = [each for each in timelines if (each.group, each.task) == ("normal", task)]
        disturbed = [each for each in timelines if (each.group, each.task) == ("disturbed", task)]
        delays = sorted(each.alert - each.removed for each in disturbed if each.found(horizon))
        rows.append(
            {
                "task": task,
                "limits": asdict(next(each.limits for each in timelines if each.task == task)),
                "normal episodes": len(normal),
                "normal scores": sum(len(each.scores) for each in normal),
                "false alarms": sum(each.alert is not None for each in normal),
                "disturbed episodes": len(disturbed),
                "found within a horizon": len(delays),
                "found later": sum(bool(each.alert and each.alert > each.removed + horizon) for each in disturbed),
                "alert before the removal": sum(bool(each.alert and each.alert < each.removed) for each in disturbed),
                "median delay in seconds": delays[len(delays) // 2] if delays else None,
            }
        )
    return rows


def _print_table(rows: list[dict]) -> None:
    table = Table(
        title="Alerts: false ones in normal episodes, found disturbances within a horizon or later",
        box=box.SIMPLE_HEAD,
        padding=0,
        collapse_padding=True,
    )
    table.add_column("task", no_wrap=True)
    for heading in ("SSIM >=", "surprise <=", "normal", "false", "disturbed", "found", "later", "delay s"):
        table.add_column(heading, justify="right")
    for row in rows:
        delay = row["median delay in seconds"]
        table.add_row(
            row["task"],
            f"{row['limits']['lowest_ssim']:.2f}",
            f"{row['limits']['highest_surprise']:.1f}",
            f"{row['normal episodes']}",
            f"{row['false alarms']}",
            f"{row['disturbed episodes']}",
            f"{row['found within a horizon']}",
            f"{row['found later']}",
            "-" if delay is None else f"{delay:.1f}",
        )
    print_tables(table)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitor", description=__doc__.splitlines()[0])
    parser.add_argument("--learn", type=Path, nargs="+", required=True, help="normal episodes to learn the limits from")
    parser.add_argument(
        "--normal", type=Path, nargs="+", required=True, help="other normal episodes: no alert is right"
    )
    parser.add_argument("--disturbed", type=Path, nargs="*", default=[], help="episodes whose block is taken away")
    parser.add_argument("--removed-at", type=float, default=0.5, help="fraction of a disturbed episode (default: 0.5)")
    parser.add_argument("--every", type=int, default=4, help="predict from every n-th frame (default: 4)")
    parser.add_argument("--checkpoint", help="checkpoint folder or hub id (default: the shipped one)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, required=True, help="folder for scores, monitor.json and monitor.png")
    arguments = parser.parse_args(argv)
    try:
        timelines = measure(arguments)
    except (EpisodeError, ValueError, FileNotFoundError) as error:
        print(f"benchmarks.monitor: {error}", file=sys.stderr)
        return 1
    horizon = timelines[0].seconds[0] - timelines[0].scores[0].stamp_ns / 1e9
    rows = summarise(timelines, horizon)
    write_text(arguments.out / "monitor.json", json.dumps({"horizon": horizon, "tasks": rows}, indent=2) + "\n")
    save_timelines(arguments.out / "monitor.png", timelines)
    _print_table(rows)
    print(f"{arguments.out}: monitor.json, monitor.png and scores/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
