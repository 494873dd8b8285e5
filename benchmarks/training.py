"""How fast a training step is, and what memory it takes, beside the step of diffusers' InstructPix2Pix script.

python -m benchmarks.training --dataset DIR --out DIR [--recipe training/recipes/small.yaml] [KEY=VALUE ...]

Both train the same weights on the same samples in the same precision, in turns, in one process. The other step is
written anew from the script's mathematics (benchmarks/reference_step.py): it reads and encodes both frames and the
instruction in every step, in the thread that trains, and updates with AdamW as the script does. Where the recipe has
mixed precision, the script's step takes turns in float32 too, which is what it does unless it is told otherwise. The
floor is what the matrix products and convolutions of our step would take at the rate of one large matrix product.
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
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

import framepred_ros  # noqa: F401  (before torch: it sets how OpenMP threads wait)

# isort: split
import numpy as np
import torch
from accelerate import Accelerator
from matplotlib.figure import Figure
from PIL import Image
from rich.table import Column, Table
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from benchmarks.floor import matrix_rate, synchronize
from benchmarks.memory import peak_memory, used_memory
from benchmarks.reference_step import reference_loss
from framepred_ros.pictures import save_figure
from framepred_ros.tables import print_tables
from training.evaluation.report import environment
from training.runs.session import TrainingData, load_data, make_accelerator, make_learner
from training.trainer.learner import Learner
from training.trainer.recipe import Recipe, to_dict
from training.trainer.recipe_file import read_recipe
from training.trainer.sampler import Noise, Sampler
from training.trainer.trainer import Trainer

OURS, REFERENCE = "training.train", "diffusers' script"
FLOAT32_REFERENCE = "diffusers' script, its default float32"
DTYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class Result:
    """Seconds of each timed step, and the bytes by which building and running it raised the peak of memory.

    On a CPU the seconds are the process's CPU time over its threads, which other processes' work does not lengthen.
    """

    seconds: list[float] = field(default_factory=list)
    memory: int = 0

    def samples_per_second(self, batch_size: int) -> float:
        """From the median step, which does not change when the machine is busy for a moment."""
        return batch_size / statistics.median(self.seconds)


@dataclass(frozen=True)
class Measurement:
    """Results by the name of the step, and the floor of ours.

    Attributes:
        operations: floating point operations of the matrix products and convolutions of our step.
        operations_per_second: measured on a large matrix product in the recipe's precision.
    """

    results: dict[str, Result]
    operations: int
    operations_per_second: float

    @property
    def floor(self) -> float:
        """Seconds that our step takes at least."""
        return self.operations / self.operations_per_second


class ReferenceTrainer:
    """Trains a learner's UNet as the script does. Frames keep the recipe's sides, where the script's are square.

    Args:
        autocast: compute in the accelerator's precision, otherwise in float32.
    """

    def __init__(
        self, recipe: Recipe, data: TrainingData, learner: Learner, accelerator: Accelerator, autocast: bool = True
    ):
        self.recipe, self.table, self.accelerator = recipe, data.table, accelerator
        self.precision = accelerator.autocast if autocast else nullcontext
        self.parts, self.scheduler = learner.parts, learner.scheduler
        self.parts.unet.set_default_attn_processor()
        for part in (self.parts.vae, self.parts.text_encoder, self.parts.unet):
            part.to(accelerator.device)
        self.parts.text_encoder.requires_grad_(False)
        self.sampler = Sampler(data.table, recipe.data, recipe.seed)
        self.optimizer = torch.optim.AdamW(self.parts.unet.parameters(), lr=1e-5, betas=recipe.optimization.betas)

    def train_step(self, number: int) -> None:
        """Does one step on the samples of this number."""
        size, device = self.recipe.optimization.batch_size, self.accelerator.device
        draw = self.sampler.draw(number * size, size)
        now, future = (
            torch.stack([self._read(self.table.frames[frame]) for frame in frames[draw.pairs]]).to(device)
            for frames in (self.table.current, self.table.future)
        )
        prompts = [self.table.instructions[instruction] for instruction in draw.instructions]
        with self.precision():
            loss = reference_loss(self.parts, self.scheduler, now, future, prompts, self._noise(size), 0.05)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parts.unet.parameters(), self.recipe.optimization.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        loss.item()

    def _read(self, path: Path) -> torch.Tensor:
        image = Image.open(path).convert("RGB").resize(self.recipe.resolution[::-1])
        return torch.tensor(2 * (np.array(image) / 255) - 1, dtype=torch.float32).permute(2, 0, 1)

    def _noise(self, size: int) -> Noise:
        device, steps = self.accelerator.device, self.scheduler.config.num_train_timesteps
        unit = 2 ** (len(self.parts.vae.config.block_out_channels) - 1)
        shape = size, self.parts.unet.config.out_channels, *(side // unit for side in self.recipe.resolution)
        timesteps = torch.randint(steps, (size,), device=device)
        noise, posterior = torch.randn(2, *shape, device=device)
        return Noise(timesteps, noise, posterior, torch.rand(size, device=device))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0 done, 1 bad input."""
    args = _parse(arguments)
    try:
        recipe = read_recipe(args.recipe, [*args.overrides, "optimization.gradient_accumulation=1"])
        measurement = measure(recipe, args.dataset, args.device, args.steps, args.rounds)
    except (ValueError, OSError) as error:
        print(f"benchmarks.training: {error}", file=sys.stderr)
        return 1
    write(args.out, recipe, measurement)
    print_tables(table(recipe, measurement))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", type=Path, default=Path("training/recipes/small.yaml"))
    parser.add_argument("--dataset", type=Path, required=True, help="folder that training.build_dataset wrote")
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto")
    parser.add_argument("--steps", type=int, default=5, help="timed steps in a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, in which all take turns")
    parser.add_argument("--out", type=Path, required=True, help="folder for training.json and training.png")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as optimization.batch_size=8")
    return parser.parse_args(arguments)


def measure(recipe: Recipe, dataset: Path, device: str, steps: int, rounds: int) -> Measurement:
    """Times the steps in turns; the first step of each does not count."""
    if recipe.run.cpu_threads is not None:
        torch.set_num_threads(recipe.run.cpu_threads)
    accelerator = make_accelerator(recipe.run, device)
    data = load_data(recipe, dataset)
    on_cpu = accelerator.device.type == "cpu"
    clock = (lambda: time.process_time() / torch.get_num_threads()) if on_cpu else time.perf_counter
    names = [OURS, REFERENCE] + [FLOAT32_REFERENCE] * (recipe.run.mixed_precision != "no")
    results: dict[str, Result] = {}
    functions: list[Callable[[int], object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            learner = make_learner(recipe, data)  # the same weights: they follow from the recipe's seed
            learner.prepare(data.table, Path(folder), accelerator)
            before = used_memory(accelerator.device)
            with peak_memory(accelerator.device) as memory:
                functions.append(_step_function(name, recipe, data, learner, accelerator, Path(folder)))
                functions[-1](0)
            results[name] = Result(memory=memory.peak - before)
        for turn in tqdm(range(len(names) * rounds), desc="rounds", unit="turn"):
            cycle, which = divmod(turn, len(names))
            for number in range(cycle * steps, cycle * steps + steps):
                synchronize(accelerator.device)
                started = clock()
                functions[which](number)
                synchronize(accelerator.device)
                results[names[which]].seconds.append(clock() - started)
        with FlopCounterMode(display=False) as counter:
            functions[0](rounds * steps)
    rate = matrix_rate(accelerator.device, DTYPES[recipe.run.mixed_precision])
    return Measurement(results, counter.get_total_flops(), rate)


def _step_function(
    name: str, recipe: Recipe, data: TrainingData, learner: Learner, accelerator: Accelerator, folder: Path
) -> Callable[[int], object]:
    """Does the step of a number; `Trainer` counts by itself and takes its loss to the CPU only when it logs."""
    if name != OURS:
        return ReferenceTrainer(recipe, data, learner, accelerator, autocast=name == REFERENCE).train_step
    trainer = Trainer(recipe, accelerator, learner, data.table, folder, None, {})
    return lambda number: trainer.train_step()


def write(out: Path, recipe: Recipe, measurement: Measurement) -> None:
    """Writes training.json and training.png."""
    out.mkdir(parents=True, exist_ok=True)
    facts = environment("cuda" if torch.cuda.is_available() else "cpu") | {"load_average": os.getloadavg()}
    content = {"environment": facts, "recipe": to_dict(recipe)}
    content |= asdict(measurement) | {"floor_seconds": measurement.floor}
    (out / "training.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    size, results = recipe.optimization.batch_size, measurement.results
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    speed, memory = figure.subplots(1, 2, sharey=True)
    names, colours = list(results), ("tab:blue", "tab:gray", "lightgray")[: len(results)]
    bars = speed.barh(names, [result.samples_per_second(size) for result in results.values()], color=colours)
    speed.bar_label(bars, fmt="%.1f", padding=3)
    speed.axvline(size / measurement.floor, color="black", linestyle=":", label="floor of its arithmetic")
    speed.legend(fontsize="small", loc="lower right")
    speed.set(xlabel="samples per second", title=f"{recipe.name}, batch {size}, {recipe.run.mixed_precision}")
    bars = memory.barh(names, [result.memory / 2**20 for result in results.values()], color=colours)
    memory.bar_label(bars, fmt="%.0f", padding=3)
    memory.set(xlabel="peak memory [MiB]")
    for axis in (speed, memory):
        axis.margins(x=0.2)
    speed.invert_yaxis()
    save_figure(figure, out / "training.png", dpi=110)


def table(recipe: Recipe, measurement: Measurement) -> Table:
    """The results for the terminal."""
    size, results = recipe.optimization.batch_size, measurement.results
    columns = (Column(name, justify="right") for name in ("samples/s", "x script", "MiB"))
    rows = Table("step", *columns, title=f"{recipe.name}, batch {size}, {recipe.run.mixed_precision}")
    script = results[REFERENCE].samples_per_second(size)
    for name, result in results.items():
        speed = result.samples_per_second(size)
        rows.add_row(name, f"{speed:.1f}", f"{speed / script:.2f}", f"{result.memory / 2**20:,.0f}")
    most = size / measurement.floor
    rows.add_section()
    rows.add_row(f"floor of {OURS}'s arithmetic", f"{most:.1f}", f"{most / script:.2f}")
    return rows


if __name__ == "__main__":
    sys.exit(main())
