"""How fast a prediction is, beside diffusers' stock pipeline on the same weights, and how good.

python -m benchmarks.prediction [--checkpoint DIR] [--device auto] [--full-size] [--compile] --out DIR

Frames, instructions and held-out pairs come from the episodes that ship with the package.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import framepred_ros  # noqa: F401  (before torch: it sets how OpenMP threads wait)

# isort: split
import numpy as np
from rich.table import Column, Table
from tqdm import tqdm

from benchmarks.figures import draw
from benchmarks.floor import Floor, measure_floor
from benchmarks.full_size import full_size_predictor
from benchmarks.memory import peak_memory
from benchmarks.result import Result
from benchmarks.shipped import shipped_episodes
from benchmarks.stages import STAGES, time_predictor
from framepred_ros.metrics import psnr, ssim
from framepred_ros.prediction.checkpoint import shipped_checkpoint
from framepred_ros.prediction.predictor import FramePredictor
from framepred_ros.prediction.sampling import resolve_engine
from framepred_ros.prediction.torch_predictor import TorchPredictor
from framepred_ros.tables import print_tables
from training.evaluation.report import environment

STOCK_STEPS, STOCK_GUIDANCE, STOCK_IMAGE_GUIDANCE = 100, 7.5, 1.5  # defaults of the pipeline's `__call__`
OURS = "FramePredictor"
STEPS = (1, 2, 4, 8)
CAMERAS = (1, 2, 4, 8)
SCALES = (0.4, 0.6, 0.8, 1.0, 1.4, 2.0)


@dataclass(frozen=True)
class Pair:
    """A held-out pair of a shipped episode; frames uint8 RGB (H, W, 3)."""

    current: np.ndarray
    instruction: str
    future: np.ndarray


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input."""
    args = _parse(arguments)
    try:
        predictor = FramePredictor.from_pretrained(args.checkpoint, device=args.device, engine="fast")
        pairs = read_pairs(predictor.horizon, args.pairs)
    except (ValueError, OSError) as error:
        print(f"benchmarks.prediction: {error}", file=sys.stderr)
        return 1
    facts = environment(str(predictor.device)) | {"load_average": os.getloadavg(), "pairs": len(pairs)}
    results, floors = [], {}
    models = {"checkpoint": predictor}
    if args.full_size:
        models["full size, random weights"] = full_size_predictor(
            predictor.tokenizer, predictor.device, predictor.dtype
        )
    for name, model in models.items():
        scored = pairs if name == "checkpoint" else []
        results += measure_paths(name, model, pairs[0], scored, args.calls, args.compile)
        floors[name] = measure_floor(model, pairs[0].current, pairs[0].instruction)
    curves = measure_curves(predictor, pairs[0], args.calls)
    write(args.out, facts, results, floors, curves)
    report(results, floors)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prediction", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--checkpoint", default=shipped_checkpoint(), help="folder or hub id (default: the shipped one)"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ... or auto")
    parser.add_argument("--calls", type=int, default=20, help="timed calls of everything but the stock defaults")
    parser.add_argument("--pairs", type=int, default=4, help="held-out pairs per task that are scored")
    parser.add_argument("--full-size", action="store_true", help="also a model of Stable Diffusion's size")
    parser.add_argument("--compile", action="store_true", help='also the engine "compile", which compiles for minutes')
    parser.add_argument("--out", type=Path, required=True, help="folder for prediction.json and prediction.png")
    return parser.parse_args(arguments)


def read_pairs(horizon: int, per_task: int) -> list[Pair]:
    """Pairs of the shipped episodes, evenly drawn over each."""
    pairs = []
    for episode in shipped_episodes():
        frames = episode.frames
        starts = np.linspace(0, len(frames) - 1 - horizon, per_task).round().astype(int)
        pairs += [Pair(frames[start], episode.instruction, frames[start + horizon]) for start in starts]
    return pairs


def measure_paths(
    name: str, predictor: FramePredictor, pair: Pair, scored: Sequence[Pair], calls: int, compiled: bool
) -> list[Result]:
    """Measures the stock pipeline at its defaults and as the checkpoint asks, then our engines, the default first."""
    stock = replace(
        predictor.info,
        steps=STOCK_STEPS,
        guidance_scale=STOCK_GUIDANCE,
        image_guidance_scale=STOCK_IMAGE_GUIDANCE,
        one_step_noise=True,
        compositing=None,
    )
    paths = {
        "stock, its defaults": (variant(predictor, stock, "diffusers"), 1),
        "stock, our steps": (
            variant(predictor, replace(predictor.info, compositing=None), "diffusers"),
            calls,
        ),
    }
    default = resolve_engine("auto", predictor.unet)
    engines = [default] + ["fast"] * (default != "fast") + ["compile"] * compiled
    for engine in engines:
        paths[f"{OURS}, {engine}"] = (variant(predictor, predictor.info, engine), calls)
    results = []
    for path, (model, count) in tqdm(paths.items(), desc=name, unit="path"):
        with peak_memory(model.device) as memory:
            timing = time_predictor(model, [pair.current], [pair.instruction], count, warm_up=min(2, count - 1))
        scores = score(model, scored) if scored else (None, None)
        guided = model.info.guidance_scale != 1 or model.info.image_guidance_scale != 1
        results.append(Result(name, path, model.info.steps, guided, timing, memory.peak, *scores))
    return results


def variant(predictor: TorchPredictor, info, engine: str) -> TorchPredictor:
    """The same models with other settings or another engine."""
    unet = copy.deepcopy(predictor.unet) if engine == "compile" else predictor.unet  # lays the weights out otherwise
    parts = predictor.vae, predictor.text_encoder, predictor.tokenizer, unet, predictor.scheduler
    return TorchPredictor(*parts, info, engine)


def score(predictor: FramePredictor, pairs: Sequence[Pair]) -> tuple[float, float]:
    """Mean SSIM and PSNR (dB) of the predictions of pairs."""
    predicted = [predictor.predict(pair.current, pair.instruction) for pair in tqdm(pairs, desc="scores", leave=False)]
    values = [(ssim(one, pair.future), psnr(one, pair.future)) for one, pair in zip(predicted, pairs, strict=True)]
    return tuple(float(mean) for mean in np.mean(values, axis=0))


def measure_curves(predictor: FramePredictor, pair: Pair, calls: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds a call against sampling steps, against cameras (one batch a call), and against megapixels."""
    frames, instructions = [pair.current], [pair.instruction]
    curves = {"steps": [], "cameras": [], "megapixels": []}
    predictor = variant(predictor, predictor.info, "auto")
    for steps in STEPS:
        curves["steps"].append((steps, time_predictor(predictor, frames, instructions, calls, steps=steps).seconds))
    for count in CAMERAS:
        seconds = time_predictor(predictor, frames * count, instructions * count, calls).seconds
        curves["cameras"].append((count, seconds))
    unit = 2 ** (len(predictor.vae.config.block_out_channels) - 1)
    for scale in SCALES:
        height, width = (max(64, round(side * scale / unit) * unit) for side in predictor.info.resolution)
        model = variant(predictor, replace(predictor.info, resolution=(height, width)), "auto")
        curves["megapixels"].append((height * width / 1e6, time_predictor(model, frames, instructions, calls).seconds))
    return curves


def write(out: Path, facts: dict, results: list[Result], floors: dict[str, Floor], curves: dict) -> None:
    """Writes prediction.json and prediction.png."""
    out.mkdir(parents=True, exist_ok=True)
    content = {
        "environment": facts,
        "results": [asdict(result) for result in results],
        "floors": {name: asdict(floor) | {"seconds": floor.seconds} for name, floor in floors.items()},
        "curves": curves,
    }
    (out / "prediction.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    draw(out / "prediction.png", results, curves)


def report(results: list[Result], floors: dict[str, Floor]) -> None:
    """Prints per model what a call costs and gives, where its time goes, and the floor."""
    for name, floor in floors.items():
        of_model = [result for result in results if result.model == name]
        print_tables(_overview(name, of_model, floor), _stages(of_model))
        print(
            f"floor: {floor.operations / 1e9:.1f} Gflop at {floor.operations_per_second / 1e9:,.0f} Gflop/s, "
            f"{floor.weight_bytes / 1e6:.0f} MB at {floor.bytes_per_second / 1e9:.1f} GB/s: "
            f"{1e3 * floor.seconds:.2f} ms\n"
        )


def _overview(name: str, results: list[Result], floor: Floor) -> Table:
    columns = ("steps", "ms", "per second", "x stock", "x floor", "MiB", "SSIM", "PSNR")
    table = _table(name, columns)
    for result in results:
        seconds = result.timing.seconds
        table.add_row(
            result.path,
            f"{result.steps}{' guided' if result.guided else ''}",
            f"{1e3 * seconds:,.1f}",
            f"{1 / seconds:.2f}",
            f"{results[0].timing.seconds / seconds:.1f}",
            f"{seconds / floor.seconds:.1f}",
            f"{result.memory / 2**20:,.0f}",
            "" if result.ssim is None else f"{result.ssim:.3f}",
            "" if result.psnr is None else f"{result.psnr:.2f}",
        )
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    """Columns hold the cells of their table: each table needs its own."""
    path = Column("path", no_wrap=True)
    return Table(path, *(Column(column, justify="right") for column in columns), title=title, title_justify="left")


def _stages(results: list[Result]) -> Table:
    table = _table("ms", STAGES)
    for result in results:
        table.add_row(result.path, *(f"{1e3 * result.timing.stages[stage]:,.1f}" for stage in STAGES))
    return table


if __name__ == "__main__":
    sys.exit(main())
