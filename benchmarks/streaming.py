"""What a live camera's likeness from frame to frame can save, and what that costs in scores.

python -m benchmarks.streaming [--checkpoint DIR] [--warm-checkpoint DIR] --out DIR

Skipping (the node's parameter `skip_unchanged`) and the warm start (not in the package) on the episodes that ship with
it, each beside predicting from every frame anew.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import framepred_ros  # noqa: F401  (before torch: it sets how OpenMP threads wait)

# isort: split
import numpy as np
from matplotlib.figure import Figure
from rich.table import Column, Table
from tqdm import tqdm

from benchmarks.prediction import variant
from benchmarks.shipped import shipped_episodes
from benchmarks.warm_start import WarmSampler
from framepred_ros.metrics import psnr, ssim
from framepred_ros.node.unchanged_frames import LastPredictions
from framepred_ros.pictures import save_figure
from framepred_ros.prediction.checkpoint import shipped_checkpoint
from framepred_ros.prediction.predictor import FramePredictor
from framepred_ros.tables import print_tables
from training.evaluation.report import environment

THRESHOLDS = (0, 1, 2, 3, 4, 8, 16)
STEPS = 8
KEPT = (1, 2, 4)


@dataclass(frozen=True)
class Stream:
    """Frames of one episode as a node would take them, and what each should predict; RGB uint8 (H, W, 3)."""

    task: str
    instruction: str
    frames: list[np.ndarray]
    futures: list[np.ndarray]


@dataclass(frozen=True)
class Result:
    """Means over the frames of all streams: passes of the UNet and milliseconds a frame, SSIM, PSNR in dB.

    `skipped` is the share of frames that got the last prediction.
    """

    name: str
    passes: float
    milliseconds: float
    ssim: float
    psnr: float
    skipped: float = 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input."""
    args = _parse(arguments)
    try:
        predictor = FramePredictor.from_pretrained(args.checkpoint, device=args.device, engine="fast")
        warm = FramePredictor.from_pretrained(
            args.warm_checkpoint or args.checkpoint, device=args.device, engine="fast"
        )
        skipping = measure_skipping(predictor, read_streams(predictor.horizon, args.every, args.frames))
        starts = measure_starts(warm, read_streams(warm.horizon, args.every, args.warm_frames))
    except (ValueError, OSError) as error:
        print(f"benchmarks.streaming: {error}", file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    content = environment(str(predictor.device)) | {
        "arguments": {name: str(value) for name, value in vars(args).items()},
        "skipping": [asdict(result) for result in skipping.values()],
        "starts": [asdict(result) for result in starts],
    }
    (args.out / "streaming.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    draw(args.out / "streaming.png", skipping, starts)
    print_tables(_table("skip_unchanged", list(skipping.values())), _table("warm start", starts))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--checkpoint", default=shipped_checkpoint(), help="folder or hub id (default: the shipped one)"
    )
    parser.add_argument("--warm-checkpoint", help="one of several steps, for the warm start (default: the same)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... or auto")
    parser.add_argument("--every", type=int, default=2, help="predict from every so many frames of an episode")
    parser.add_argument("--frames", type=int, default=1000, help="most predictions per episode, for skipping")
    parser.add_argument("--warm-frames", type=int, default=40, help="most predictions per episode, for the warm start")
    parser.add_argument("--out", type=Path, required=True, help="folder for streaming.json and streaming.png")
    return parser.parse_args(arguments)


def read_streams(horizon: int, every: int, most: int) -> list[Stream]:
    """Every `every`-th frame of each shipped episode that has a frame `horizon` steps later, `most` from its middle."""
    streams = []
    for episode in shipped_episodes():
        starts = range(0, len(episode.frames) - horizon, every)
        first = max(0, (len(starts) - most) // 2)
        starts = starts[first : first + most]
        frames, futures = ([episode.frames[start + ahead] for start in starts] for ahead in (0, horizon))
        streams.append(Stream(episode.task, episode.instruction, frames, futures))
    return streams


def measure_skipping(predictor: FramePredictor, streams: Sequence[Stream]) -> dict[int, Result]:
    """By threshold. Every frame is predicted from once; which of these predictions a node would use is looked up."""
    predicted, seconds = _predict(predictor, streams, "predicting")
    predictions = iter(predicted)
    fresh = [[next(predictions) for _ in stream.frames] for stream in streams]
    steps, results = predictor.info.steps, {}
    for threshold in tqdm(THRESHOLDS, desc="thresholds"):
        used, skipped, looking = [], 0, 0.0
        for stream, made in zip(streams, fresh, strict=True):
            last = LastPredictions()
            for frame, new in zip(stream.frames, made, strict=True):
                started = time.perf_counter()
                old = last.find("", frame, None, threshold) if threshold else None
                if old is None and threshold:
                    last.keep("", frame, None, new)
                looking += time.perf_counter() - started
                skipped += old is not None
                used.append(new if old is None else old)
        share = skipped / len(used)
        milliseconds = 1e3 * (seconds * (1 - share) + looking / len(used))
        scores = _score(used, streams)
        results[threshold] = Result(f"threshold {threshold}", steps * (1 - share), milliseconds, *scores, share)
    return results


def measure_starts(predictor: FramePredictor, streams: Sequence[Stream]) -> list[Result]:
    """Sampling from noise in `STEPS` and fewer steps, and the last few of `STEPS` steps from the last prediction."""
    info = replace(predictor.info, one_step_noise=True)
    results = []
    for steps in (STEPS, *reversed(KEPT)):
        cold = variant(predictor, replace(info, steps=steps), "fast")
        predicted, seconds = _predict(cold, streams, f"{steps} steps")
        results.append(Result(f"{steps} steps from noise", steps, 1e3 * seconds, *_score(predicted, streams)))
    for kept in reversed(KEPT):
        warm = variant(predictor, replace(info, steps=STEPS), "fast")
        warm.sampler = WarmSampler(warm, kept)
        predicted, seconds = _predict(warm, streams, f"last {kept} steps", warm.sampler.forget)
        name = f"last {kept} of {STEPS} steps from the last prediction"
        results.append(Result(name, kept, 1e3 * seconds, *_score(predicted, streams)))
    return results


def _predict(
    predictor: FramePredictor, streams: Sequence[Stream], label: str, forget: Callable[[], None] = lambda: None
) -> tuple[list[np.ndarray], float]:
    """The predictions from all frames, in order, and the median seconds of one."""
    predicted, seconds = [], []
    with tqdm(total=sum(len(stream.frames) for stream in streams), desc=label, unit="frame") as bar:
        for stream in streams:
            forget()
            for frame in stream.frames:
                started = time.perf_counter()
                predicted.append(predictor.predict(frame, stream.instruction))
                seconds.append(time.perf_counter() - started)
                bar.update()
    return predicted, float(np.median(seconds))


def _score(predicted: Sequence[np.ndarray], streams: Sequence[Stream]) -> tuple[float, float]:
    futures = [future for stream in streams for future in stream.futures]
    scores = [(ssim(one, other), psnr(one, other)) for one, other in zip(predicted, futures, strict=True)]
    return tuple(float(mean) for mean in np.mean(scores, axis=0))


def _table(title: str, results: Sequence[Result]) -> Table:
    columns = ("skipped", "passes", "ms", "SSIM", "PSNR")
    table = Table("", *(Column(name, justify="right") for name in columns), title=title, title_justify="left")
    for each in results:
        cells = (f"{each.skipped:.0%}", f"{each.passes:.2f}", f"{each.milliseconds:.1f}")
        table.add_row(each.name, *cells, f"{each.ssim:.3f}", f"{each.psnr:.2f}")
    return table


def draw(path: Path, skipping: dict[int, Result], starts: Sequence[Result]) -> None:
    """Writes a PNG: SSIM against the share of frames skipped, and against passes of the UNet."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    shares = [100 * result.skipped for result in skipping.values()]
    left.plot(shares, [result.ssim for result in skipping.values()], marker="o", color="tab:blue")
    for share, (threshold, result) in zip(shares, skipping.items(), strict=True):
        left.annotate(f"{threshold}", (share, result.ssim), textcoords="offset points", xytext=(0, 8), ha="center")
    left.set(xlabel="frames skipped, percent", ylabel="SSIM", title="skip_unchanged, by threshold in grey levels")
    groups = {"from noise": "tab:blue", "from the last prediction": "tab:orange"}
    for label, colour in groups.items():
        of_group = sorted((each.passes, each.ssim) for each in starts if each.name.endswith(label))
        right.plot(*zip(*of_group, strict=True), marker="o", color=colour, label=label)
    right.set(xlabel="passes of the UNet", ylabel="SSIM", title="warm start", xscale="log")
    right.set_xticks((*KEPT, STEPS), (*KEPT, STEPS), minor=False)
    right.minorticks_off()
    right.legend()
    for axis in (left, right):
        axis.grid(alpha=0.3)
        axis.margins(y=0.2)
    save_figure(figure, path)


if __name__ == "__main__":
    sys.exit(main())
