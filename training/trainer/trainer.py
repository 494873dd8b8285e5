"""The training loop, the same for every model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch.distributed.tensor import DTensor
from tqdm import tqdm

from training.trainer.average import WeightAverage
from training.trainer.learner import Learner
from training.trainer.pair_table import PairTable
from training.trainer.recipe import Optimization, Recipe
from training.trainer.run_log import RunLog
from training.trainer.sampler import Sampler
from training.trainer.state import Training, load_state, save_state, trainable


class Validator(Protocol):
    """What measures the model during training; the trainer calls it on the main process."""

    def run(self, weights: dict[str, torch.Tensor], step: int) -> Any:
        """Measures the averaged weights after so many steps."""

    def has_converged(self) -> bool:
        """Whether the measurements so far say that more steps are of no use."""


def learning_rate(step: int, options: Optimization, steps: int) -> float:
    """The learning rate of a step of `steps`: linear warm-up, then constant or half a cosine to the final ratio.

    The curves of torch's LinearLR and CosineAnnealingLR, but a function of the step alone, as all that a step does: a
    resumed run needs no scheduler's state. (The schedules of transformers and diffusers start the constant one at
    zero, and run the cosine a step ahead.)
    """
    if step < options.warmup_steps:
        return options.learning_rate * (step + 1) / options.warmup_steps
    if options.schedule == "constant":
        return options.learning_rate
    progress = (step - options.warmup_steps) / max(1, steps - options.warmup_steps)
    floor = options.final_learning_rate_ratio
    return options.learning_rate * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


class Trainer:
    """Trains a learner's model; everything that a step does follows from (recipe, data, step), so that a resumed run
    continues as if it had never stopped.

    Args:
        learner: prepared.
        output: the run's folder.
        validation: measures the model; None for a trainer whose steps alone are wanted.
        identity: what a resumed run must have in common with this one.

    Attributes:
        step: steps done.
        steps: steps of the whole run.
    """

    def __init__(
        self,
        recipe: Recipe,
        accelerator: Accelerator,
        learner: Learner,
        table: PairTable,
        output: Path,
        validation: Validator | None,
        identity: dict[str, Any],
    ):
        options = recipe.optimization
        self.recipe, self.accelerator, self.learner = recipe, accelerator, learner
        self.output, self.validation = output, validation
        if recipe.run.gradient_checkpointing:
            learner.model.unet.enable_gradient_checkpointing()
        if accelerator.device.type == "cuda":
            learner.model.to(memory_format=torch.channels_last)
        if recipe.run.compile:
            learner.model.unet.compile()
        optimizer = torch.optim.AdamW(
            trainable(learner.model), lr=0.0, betas=options.betas, weight_decay=options.weight_decay, fused=True
        )
        self.model, self.optimizer = accelerator.prepare(learner.model, optimizer)
        self.training = Training(accelerator, self.model, self.optimizer, self._average(options))
        learner.average = self.training.ema
        self.sampler = Sampler(table, recipe.data, recipe.seed, learner.conditions)
        self.steps = options.steps(len(table), accelerator.num_processes)
        self.identity = identity
        self.step, self.validated, self._validated_anew = 0, None, False
        self._loader, self._prefetched = ThreadPoolExecutor(1, "loader"), {}

    def resume(self) -> int:
        """Continues from the newest state in the output folder, if any; returns the number of steps done.

        Raises ResumeError if the state belongs to another recipe or dataset.
        """
        self.step = load_state(self.output, self.training, self.identity)
        self._validated_anew = self.step > 0
        return self.step

    def train(self) -> None:
        """Runs to the last step, until validation says that it is enough, or until `max_minutes` have passed.

        Saved and validated in any case.
        """
        run, main = self.recipe.run, self.accelerator.is_main_process
        started = time.monotonic()
        if self.step == 0 and self.recipe.validation.at_start:
            self.run_validation()
        log = RunLog(self.output, self.step, write=main, scaled=self.accelerator.scaler is not None)
        self.model.train()
        with tqdm(total=self.steps, initial=self.step, desc="training", unit="step", disable=not main) as bar:
            while self.step < self.steps and not self._has_converged(bar):
                log.add(self.train_step())
                bar.update()
                if self.step % run.log_every == 0:
                    log.flush(bar)
                    if self._time_is_up(started):
                        bar.write(f"{run.max_minutes:g} minutes are over at step {self.step}; --resume auto continues")
                        break
                if self.step % run.save_every == 0 and self.step < self.steps:
                    log.flush(bar)
                    self.save()
                if self.step % run.validate_every == 0 and self.step < self.steps:
                    log.flush(bar)
                    log.draw()
                    self.run_validation()
            log.flush(bar)
        self.save()
        log.draw()
        log.close()
        if self.validated != self.step:
            self.run_validation()

    def train_step(self) -> dict[str, torch.Tensor | float]:
        """Does one step and returns what to log of it, tensors where the value is still on the device."""
        options = self.recipe.optimization
        # What a model draws by itself, such as dropout, follows from the step too.
        torch.manual_seed(
            self.recipe.seed + self.step * self.accelerator.num_processes + self.accelerator.process_index
        )
        rate = learning_rate(self.step, options, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        passes = [self._backward(part) for part in range(options.gradient_accumulation)]
        norm = self.accelerator.clip_grad_norm_(trainable(self.model), options.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.training.ema is not None:
            self.training.ema.step(trainable(self.model))
        self.step += 1
        means = {name: torch.stack([values[name] for values in passes]).mean() for name in passes[0]}
        return {"step": self.step, **means, "learning_rate": rate, "gradient_norm": norm}

    def save(self) -> None:
        """Saves the state to continue from."""
        save_state(self.output, self.training, self.step, self.identity, self.recipe.run.keep_states)

    def run_validation(self) -> None:
        """Hands the averaged weights to the validation on the main process; the others wait."""
        weights = self.training.averaged_weights()
        if self.accelerator.is_main_process:
            self.validation.run(weights, self.step)
        self.accelerator.wait_for_everyone()
        self.validated, self._validated_anew = self.step, True

    def _average(self, options: Optimization) -> WeightAverage | None:
        if options.ema_decay is None:
            return None
        parameters = trainable(self.model)
        whole = not any(isinstance(each, DTensor) for each in parameters)  # PyTorch cannot copy lists of shards at once
        return WeightAverage(
            parameters, decay=options.ema_decay, use_ema_warmup=True, power=options.ema_power, foreach=whole
        )

    def _backward(self, part: int) -> dict[str, torch.Tensor]:
        """Adds a part's gradients, which processes exchange only after the last part; returns the part's values."""
        parts = self.recipe.optimization.gradient_accumulation
        number = self.step * parts + part
        batch = self._batch(number)
        with nullcontext() if part == parts - 1 else self.accelerator.no_sync(self.model):
            with self.accelerator.autocast():
                loss, values = self.learner.loss(self.model, batch)
            self.accelerator.backward(loss / parts)
        return {"loss": loss.detach(), **values}

    def _batch(self, number: int):
        """The batch of a pass, counted through the run; the next one is loaded meanwhile."""
        batch = self._prefetched.pop(number, None) or self._load(number)
        self._prefetched = {number + 1: self._load(number + 1)}
        return batch.result()

    def _load(self, number: int) -> Future:
        size, processes = self.recipe.optimization.batch_size, self.accelerator.num_processes
        first = (number * processes + self.accelerator.process_index) * size
        return self._loader.submit(lambda: self.learner.load(self.sampler.draw(first, size)))

    def _has_converged(self, bar: tqdm) -> bool:
        """Whether the validations say that it is enough; asked after each of them and when a run is resumed."""
        patience = self.recipe.validation.patience
        if patience is None or not self._validated_anew:
            return False
        self._validated_anew = False
        enough = self._agreed(self.validation.has_converged)
        if enough:
            bar.write(f"step {self.step}: {patience} validations in a row no better than one before; that is enough")
        return enough

    def _time_is_up(self, started: float) -> bool:
        limit = self.recipe.run.max_minutes
        return limit is not None and self._agreed(lambda: time.monotonic() - started > 60 * limit)

    def _agreed(self, question: Callable[[], bool]) -> bool:
        """The main process's answer, given to all: they must stop at the same step."""
        answer = self.accelerator.is_main_process and question()
        return bool(broadcast(torch.tensor(answer, device=self.accelerator.device)))
