"""What horizon and past cost as conditions of the model, and a strip of four moments, beside the plain prediction.

python -m benchmarks.conditions [--checkpoint DIR] [--device auto] [--calls 30] --out DIR

All variants are the checkpoint's own networks; only the UNet's input differs, as in training, and new weights are
random, which costs the same. Each round calls every variant once, so that a busy machine slows all of them alike;
what is reported are medians, and ratios within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import framepred_ros  # noqa: F401  (before torch: it sets how OpenMP threads wait)

# isort: split
import torch
from diffusers import UNet2DConditionModel
from matplotlib.figure import Figure
from rich.table import Table
from tqdm import tqdm

from benchmarks.shipped import shipped_episodes
from framepred_ros.pictures import save_figure
from framepred_ros.prediction.cache import CACHE_VARIABLE
from framepred_ros.prediction.checkpoint import shipped_checkpoint
from framepred_ros.prediction.conditions import history_channel_count
from framepred_ros.prediction.predictor import FramePredictor
from framepred_ros.prediction.torch_predictor import TorchPredictor
from framepred_ros.tables import print_tables
from training.evaluation.report import environment

HORIZONS, STRIP = (1, 100), (10, 25, 50, 100)  # steps
HISTORY, HISTORY_CHANNELS = (10, 25, 50), 12  # of a checkpoint that says nothing else
PLAIN = "plain"
WARM_UP = 3  # rounds
GOALS = {"both": 30.0, "both, strip of four": 10.0}  # calls per second on two cores, issue 19


@dataclass(frozen=True)
class Cost:
    """Medians over rounds: seconds of a call, its ratio to the plain call of the same round, and seconds of CPU."""

    variant: str
    seconds: float
    ratio: float
    cpu_seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input."""
    args = _parse(arguments)
    with tempfile.TemporaryDirectory() as cache:
        os.environ[CACHE_VARIABLE] = cache  # the user's own keeps the models that are in use
        try:
            predictor = FramePredictor.from_pretrained(args.checkpoint, device=args.device, engine="fast")
            costs = measure(predictor, args.engine, args.calls)
        except (ValueError, OSError) as error:
            print(f"benchmarks.conditions: {error}", file=sys.stderr)
            return 1
    facts = environment(str(predictor.device)) | {"load_average": os.getloadavg(), "rounds": args.calls}
    write(args.out, facts, costs)
    report(costs)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conditions", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default=shipped_checkpoint(), help="folder (default: the shipped one)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... or auto")
    parser.add_argument("--engine", default="auto", help="as FramePredictor takes it")
    parser.add_argument("--calls", type=int, default=30, help="rounds, each with one call of every variant")
    parser.add_argument("--out", type=Path, required=True, help="folder for conditions.json and conditions.png")
    return parser.parse_args(arguments)


def measure(predictor: TorchPredictor, engine: str, calls: int) -> list[Cost]:
    """Times all variants, round by round."""
    variants = make_variants(predictor, engine)
    spent: dict[str, list[float]] = {name: [] for name in variants}
    used: dict[str, list[float]] = {name: [] for name in variants}
    for number in tqdm(range(WARM_UP + calls), desc="rounds"):
        for name, call in variants.items():
            started, cpu = time.perf_counter(), time.process_time()
            call()
            if number >= WARM_UP:
                spent[name].append(time.perf_counter() - started)
                used[name].append(time.process_time() - cpu)
    return [
        Cost(
            name,
            statistics.median(seconds),
            statistics.median(one / plain for one, plain in zip(seconds, spent[PLAIN], strict=True)),
            statistics.median(used[name]),
        )
        for name, seconds in spent.items()
    ]


def make_variants(predictor: TorchPredictor, engine: str) -> dict[str, Callable[[], object]]:
    """Calls by name, the plain one first; their arguments are frames of a shipped episode."""
    steps = predictor.history or HISTORY
    horizons = predictor.info.horizons or HORIZONS
    strip = [each for each in STRIP if horizons[0] <= each <= horizons[1]]
    episode = shipped_episodes()[0]
    image, words = episode.frames[steps[-1]], episode.instruction
    past = {each: episode.frames[steps[-1] - each] for each in steps}
    models = {
        PLAIN: conditioned(predictor, None, (), engine),
        "horizon": conditioned(predictor, horizons, (), engine),
        "past": conditioned(predictor, None, steps, engine),
        "both": conditioned(predictor, horizons, steps, engine),
    }
    both = models["both"]
    return {
        PLAIN: lambda: models[PLAIN].predict(image, words),
        "horizon": lambda: models["horizon"].predict(image, words, horizon=strip[0]),
        "past": lambda: models["past"].predict(image, words, history=past),
        "both": lambda: both.predict(image, words, horizon=strip[0], history=past),
        "both, one picture alone": lambda: both.predict(image, words),
        "both, strip of four": lambda: both.predict_clip(image, words, strip, history=past),
        "both, four calls": lambda: [both.predict(image, words, horizon=each, history=past) for each in strip],
    }


def conditioned(
    predictor: TorchPredictor, horizons: tuple[int, int] | None, history: tuple[int, ...], engine: str
) -> TorchPredictor:
    """The predictor with a UNet that takes these conditions; weights of other shapes than its own are new."""
    own, latents = predictor.unet, predictor.vae.config.latent_channels
    channels = (predictor.info.history_channels if predictor.history else min(HISTORY_CHANNELS, latents)) or latents
    config = {name: value for name, value in own.config.items() if name != "_use_default_values"}  # they would win
    config["in_channels"] = 2 * latents + history_channel_count(latents, history, channels)
    config["class_embed_type"] = "timestep" if horizons else None
    torch.manual_seed(0)
    unet = UNet2DConditionModel.from_config(config)
    shapes = {name: tensor.shape for name, tensor in unet.state_dict().items()}
    same = {name: tensor for name, tensor in own.state_dict().items() if shapes.get(name) == tensor.shape}
    unet.load_state_dict(same, strict=False)
    info = replace(predictor.info, horizons=horizons, history=history, history_channels=channels if history else None)
    parts = predictor.vae, predictor.text_encoder, predictor.tokenizer, unet.to(own.device, own.dtype)
    return TorchPredictor(*parts, predictor.scheduler, info, engine)


def write(out: Path, facts: dict, costs: list[Cost]) -> None:
    """Writes conditions.json and conditions.png."""
    out.mkdir(parents=True, exist_ok=True)
    content = {"environment": facts, "costs": [asdict(each) for each in costs]}
    (out / "conditions.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    figure = Figure(figsize=(8, 3), layout="constrained")
    axis = figure.subplots()
    bars = axis.barh([each.variant for each in costs], [each.ratio for each in costs], color="tab:blue")
    axis.bar_label(bars, [f"{each.ratio:.2f}, {1e3 * each.seconds:.0f} ms" for each in costs], padding=3)
    axis.set(xlabel="time of a call, beside the plain prediction")
    axis.margins(x=0.2)
    axis.invert_yaxis()
    save_figure(figure, out / "conditions.png", dpi=110)


def report(costs: list[Cost]) -> None:
    """Prints the table."""
    table = Table("one call", "ms", "CPU ms", "per second", "x plain", "goal, per second")
    for each in costs:
        goal = GOALS.get(each.variant)
        times = f"{1e3 * each.seconds:.1f}", f"{1e3 * each.cpu_seconds:.1f}", f"{1 / each.seconds:.1f}"
        table.add_row(each.variant, *times, f"{each.ratio:.2f}", f"{goal:g}" if goal else "")
    print_tables(table)


if __name__ == "__main__":
    sys.exit(main())
