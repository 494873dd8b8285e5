"""A whole training run: data, model, training, checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from rich.console import Console

from framepred_ros.files import finish_replacement, remove_unfinished
from framepred_ros.tables import print_tables
from training.dataset.index import DatasetManifest, Row, load_manifest, load_split
from training.dataset.pairs import EpisodeKey
from training.dataset.stored_pairs import draw_evenly
from training.runs.identity import run_identity
from training.runs.outcome import report_outcome
from training.trainer.learner import Learner
from training.trainer.memory import estimate_memory
from training.trainer.pair_table import PairTable, choose_samples, choose_tasks, make_pair_table
from training.trainer.recipe import Recipe, Run
from training.trainer.recipe import Validation as ValidationOptions
from training.trainer.recipe_file import write_recipe
from training.trainer.state import check_identity, read_identity, saved_states
from training.trainer.trainer import Trainer
from training.trainer.validation import BEST, CHECKPOINT, Validation
from training.trainer.validation_episodes import choose_validation_episodes, hold_out, last_episodes
from training.trainer.weights import check_horizon, find_weights

# Caches and validations may take hours in which the other processes wait; that is no failure.
PATIENCE = timedelta(hours=24)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingData:
    """A dataset as a run uses it: its manifest, the training pairs, and what is kept for validation.

    `rows` are the training pairs again, as the dataset has them; `held_out` are the pairs to measure on, drawn evenly
    from all of the `validation_episodes`.
    """

    manifest: DatasetManifest
    table: PairTable
    rows: list[Row]
    held_out: list[Row]
    validation_episodes: frozenset[EpisodeKey]


def run(recipe: Recipe, dataset: Path, output: Path, resume: bool, device: str = "auto", dry_run: bool = False) -> None:
    """Trains from a dataset folder to `output/checkpoint` and `output/checkpoint-best`.

    Args:
        resume: continue from the newest state in `output`; without one, start from scratch.
        device: "auto" is accelerate's choice, "cpu" forces the CPU.
        dry_run: print the memory estimate and the run's length, and stop there.

    Raises:
        FileExistsError: `output` holds a run's state and `resume` is false.
        DatasetError, ValueError: the dataset, the recipe or the weights cannot be used; the message says why.
        DivergedError: the loss is no longer a finite number.
    """
    if not resume and not dry_run and saved_states(output):
        raise FileExistsError(f"{output} holds an unfinished or finished run; use --resume auto, or another --output")
    if recipe.run.cpu_threads is not None:
        torch.set_num_threads(recipe.run.cpu_threads)
    accelerator = make_accelerator(recipe.run, device)
    data = load_data(recipe, dataset, read_identity(output) if resume else None)
    learner = make_learner(recipe, data)
    if accelerator.is_main_process:
        describe(recipe, data, learner, accelerator.num_processes)
    if not dry_run:
        identity = run_identity(
            recipe,
            data.manifest,
            len(data.table),
            data.validation_episodes,
            start_folder(recipe),
            accelerator.num_processes,
        )
        if resume:
            check_identity(output, identity)  # before anything of the run is touched
        train(recipe, data, learner, accelerator, dataset, output, resume, identity)
    accelerator.end_training()


def make_accelerator(options: Run, device: str) -> Accelerator:
    """The accelerator of a run. Raises ValueError where the hardware lacks the precision that the recipe asks for."""
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    if options.mixed_precision == "fp16" and on_cpu:
        raise ValueError("run.mixed_precision fp16 needs a GPU; say run.mixed_precision=no, or bf16, on a CPU")
    patience = InitProcessGroupKwargs(timeout=PATIENCE)
    return Accelerator(mixed_precision=options.mixed_precision, cpu=device == "cpu", kwargs_handlers=[patience])


def load_data(recipe: Recipe, dataset: Path, continued: dict | None = None) -> TrainingData:
    """Reads the dataset's index.

    Args:
        continued: identity of the run that is continued: it goes on with the same validation episodes.

    Raises DatasetError or ValueError if the dataset is not fit for the recipe.
    """
    manifest = load_manifest(dataset)
    rows = choose_tasks(load_split(dataset, "train"), recipe.data.tasks)
    episodes = _validation_episodes(rows, manifest, recipe.validation, continued)
    rows, held_out = hold_out(rows, episodes)
    rows = choose_samples(rows, recipe.data.max_samples, recipe.seed)
    used = tuple(each for each in manifest.episodes if recipe.data.tasks is None or each.task in recipe.data.tasks)
    manifest = replace(manifest, episodes=used)
    held_out = draw_evenly(held_out, recipe.validation.pairs_per_task)
    table = make_pair_table(rows, manifest, recipe.data.mirror)
    return TrainingData(manifest, table, rows, held_out, frozenset(episodes))


def _validation_episodes(
    rows: Sequence[Row], manifest: DatasetManifest, options: ValidationOptions, continued: dict | None
) -> Collection[EpisodeKey]:
    if continued is None:
        return choose_validation_episodes(rows, manifest, options.episodes_per_task, options.share)
    if "validation_episodes" not in continued:
        return last_episodes(rows, options.episodes_per_task)
    return {(task, number) for task, number in continued["validation_episodes"]}


def start_folder(recipe: Recipe) -> Path | None:
    """The folder of the weights that the recipe starts from, None for none. Raises WeightsError if there is none."""
    return find_weights(recipe.model.weights) if recipe.model.weights else None


def make_learner(recipe: Recipe, data: TrainingData) -> Learner:
    """The model that the recipe names. Raises WeightsError if the weights to start from cannot be used."""
    folder = start_folder(recipe)
    if folder:
        check_horizon(folder, data.manifest)
    if recipe.model.kind == "distilled":
        from training.distillation.learner import DistillationLearner

        return DistillationLearner(recipe, folder)
    if recipe.model.kind == "small":
        from training.small.learner import SmallLearner

        return SmallLearner(recipe, data.table.instructions, folder)
    from training.full.learner import PretrainedLearner

    return PretrainedLearner(recipe, folder)


def describe(recipe: Recipe, data: TrainingData, learner: Learner, processes: int) -> None:
    """Prints the length of the run, the size of the model, and the estimated memory."""
    options, table = recipe.optimization, data.table
    trained, all_weights = (
        sum(parameter.numel() for parameter in learner.model.parameters() if wanted(parameter)) / 1e6
        for wanted in (lambda parameter: parameter.requires_grad, lambda parameter: True)
    )
    logger.info("%d pairs, %d frames, %d instructions", len(table), len(table.frames), len(table.instructions))
    logger.info("%.1f M of %.1f M parameters are trained", trained, all_weights)
    logger.info(
        "%d steps of %d x %d x %d samples (batch, accumulation, processes)",
        options.steps(len(table), processes),
        options.batch_size,
        options.gradient_accumulation,
        processes,
    )
    print_tables(estimate_memory(recipe, learner).table(), console=Console(stderr=True))


def tidy(output: Path) -> None:
    """Puts in order what a process that was killed while it wrote has left."""
    for folder in ("states", "cache"):
        remove_unfinished(output / folder)
    for name in (CHECKPOINT, BEST):
        finish_replacement(output / name)


def train(
    recipe: Recipe,
    data: TrainingData,
    learner: Learner,
    accelerator: Accelerator,
    dataset: Path,
    output: Path,
    resume: bool,
    identity: dict[str, Any],
) -> None:
    """Prepares the caches and trains."""
    output.mkdir(parents=True, exist_ok=True)
    if accelerator.is_main_process:
        tidy(output)
        write_recipe(output / "recipe.yaml", recipe)
    with accelerator.main_process_first():  # the others read what it wrote
        learner.prepare(data.table, output, accelerator)
    validation = Validation(recipe, data.manifest, dataset, output, learner, data.held_out, str(accelerator.device))
    trainer = Trainer(recipe, accelerator, learner, data.table, output, validation, identity)
    if resume and trainer.resume() and accelerator.is_main_process:
        logger.info("continuing after step %d", trainer.step)
    trainer.train()
    if accelerator.is_main_process:
        report_outcome(output, dataset, data.rows, data.held_out)
