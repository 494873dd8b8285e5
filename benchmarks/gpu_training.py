"""Parts of the day with a GPU: how fast training is beside diffusers' step, and the memory that it takes."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import CLIPTokenizer

from benchmarks.full_size import FULL, TINY, save_full_size
from benchmarks.gpu_journal import Journal
from benchmarks.memory import peak_memory, used_memory
from benchmarks.training import OURS, Measurement, measure
from framepred_ros.prediction.checkpoint import shipped_checkpoint
from framepred_ros.replay.episode_bag import SHIPPED_EPISODES
from training.dataset.builder import build_dataset
from training.dataset.collection import collect
from training.dataset.options import DatasetOptions
from training.episodes import SourceOptions
from training.runs.session import load_data, make_accelerator, make_learner
from training.trainer.memory import estimate_memory
from training.trainer.recipe import Recipe
from training.trainer.recipe_file import read_recipe
from training.trainer.trainer import Trainer

RECIPES = Path(__file__).parents[1] / "training" / "recipes"
COMPILING = 90
"""Seconds that compiling a UNet of full size may take; with less time left it is not measured."""


def measure_training(journal: Journal, device: torch.device, small: bool) -> None:
    """Samples a second of the small model and of one of full size, ours and the script's on the same weights."""
    steps, rounds = (1, 1) if small else (4, 2)
    with _material(device, small) as (dataset, weights), tqdm(total=2, desc="recipes", unit="recipe") as bar:
        with journal.attempt("small"):
            recipe = small_recipe(small)
            _report_speed(journal, recipe, measure(recipe, dataset, _choice(device), steps, rounds))
        bar.update()
        _free()
        with journal.attempt("full"):
            recipe = full_recipe("full", weights, small, "optimization.gradient_accumulation=1")
            _report_speed(journal, recipe, measure(recipe, dataset, _choice(device), steps, rounds))
        bar.update()


def _report_speed(journal: Journal, recipe: Recipe, measurement: Measurement) -> None:
    size, precision = recipe.optimization.batch_size, recipe.run.mixed_precision
    ours = measurement.results[OURS].samples_per_second(size)
    beside = f"batch {size}, {precision}, {100 * measurement.floor * ours / size:.0f} % of the floor's speed"
    journal.put(f"{recipe.name}, {OURS}", ours, "samples a second", beside, **asdict(measurement))
    for name, result in measurement.results.items():
        if name != OURS:
            speed = result.samples_per_second(size)
            beside = f"ours is {ours / speed:.2f} times as fast"
            journal.put(f"{recipe.name}, {name}", speed, "samples a second", beside)


def measure_memory(journal: Journal, device: torch.device, small: bool) -> None:
    """Peak memory of steps of the recipes for published weights, beside what `training.train --dry-run` says."""
    with _material(device, small) as (dataset, weights):
        for name in tqdm(("full", "full_lora"), desc="recipes", unit="recipe"):
            with journal.attempt(name):
                _measure_recipe(journal, full_recipe(name, weights, small), dataset, device, name)
            _free()
        if not small and journal.left > COMPILING:
            with journal.attempt("full, compiled"):
                recipe = full_recipe("full", weights, small, "run.compile=true")
                _measure_recipe(journal, recipe, dataset, device, "full, compiled")


def _measure_recipe(journal: Journal, recipe: Recipe, dataset: Path, device: torch.device, name: str) -> None:
    accelerator = make_accelerator(recipe.run, _choice(device))
    data = load_data(recipe, dataset)
    learner = make_learner(recipe, data)
    estimate = estimate_memory(recipe, learner)
    with tempfile.TemporaryDirectory() as folder:
        before = used_memory(device)
        with peak_memory(device) as caching:
            learner.prepare(data.table, Path(folder), accelerator)
        before_steps = used_memory(device)
        with peak_memory(device) as stepping:
            trainer = Trainer(recipe, accelerator, learner, data.table, Path(folder), None, {})
            for _ in range(2):  # the first allocates the optimiser's moments, the second has all at once
                loss = float(trainer.train_step()["loss"])
    peak, gibibyte = stepping.peak - before_steps, 2**30
    beside = f"estimate {estimate.total / gibibyte:.3g} GiB, measured {peak / estimate.total:.2f} times as much; "
    beside += f"filling the caches {(caching.peak - before) / gibibyte:.3g} GiB"
    details = {"bytes": peak, "caching_bytes": caching.peak - before, "estimate": asdict(estimate), "loss": loss}
    journal.put(name, peak / gibibyte, "GiB", beside, batch_size=recipe.optimization.batch_size, **details)


@contextmanager
def _material(device: torch.device, small: bool) -> Iterator[tuple[Path, Path]]:
    """A dataset of the shipped episodes, and weights of full size; gone after the block."""
    with tempfile.TemporaryDirectory() as folder:
        # As one task: training keeps an episode of each for validation.
        episodes = collect([SHIPPED_EPISODES], SourceOptions(task="shipped"))
        dataset = Path(folder) / "dataset"
        build_dataset(episodes, dataset, DatasetOptions(test_fraction=0, stride=40 if small else 4))
        tokenizer = CLIPTokenizer.from_pretrained(shipped_checkpoint() / "tokenizer")
        yield dataset, save_full_size(Path(folder) / "weights", tokenizer, device, TINY if small else FULL)


def small_recipe(small: bool) -> Recipe:
    """The recipe `small`, with half a minute's autoencoder; or `smoke` in its precision."""
    if small:
        return read_recipe(RECIPES / "smoke.yaml", ["run.mixed_precision=bf16"])
    overrides = ["model.autoencoder.pairs=200", "run.cpu_threads=null", "optimization.gradient_accumulation=1"]
    return read_recipe(RECIPES / "small.yaml", overrides)


def full_recipe(name: str, weights: Path, small: bool, *more: str) -> Recipe:
    """A recipe for published weights that starts from a folder; not compiled, which would take longer than all else."""
    overrides = [f"model.weights={weights}", "run.compile=false", "validation.episodes_per_task=1"]
    if small:
        overrides += ["resolution=[64, 64]", "optimization.batch_size=2", "optimization.gradient_accumulation=1"]
    return read_recipe(RECIPES / f"{name}.yaml", [*overrides, *more])


def _choice(device: torch.device) -> str:
    """The device as `training.train --device` has it."""
    return "cpu" if device.type == "cpu" else "auto"


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
