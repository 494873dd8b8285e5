"""The training loop of the small model: text encoder and UNet jointly, on cached latents."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.models.attention_processor import AttnProcessor
from diffusers.training_utils import EMAModel
from tqdm import tqdm

from framepred_ros.patch_autoencoder import PatchAutoencoder
from framepred_ros.predictor import coarse_channels
from training.small.loss import VelocityLoss, add_noise
from training.small.pair_table import BatchSampler, PairTable
from training.small.recipe import Optimization, Recipe
from training.small.run_log import RunLog
from training.small.state import load_state, save_state


class DenoisingModel(torch.nn.Module):
    """Text encoder and UNet as one module, so that distributed training wraps and synchronises them together."""

    def __init__(self, unet, text_encoder):
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder

    def forward(
        self, noisy: torch.Tensor, current: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor
    ) -> torch.Tensor:
        """Predicts v (N, C, h, w) from noisy and current latents (N, C, h, w), timesteps (N,), tokens (N, L)."""
        embeddings = self.text_encoder(tokens)[0]
        return self.unet(torch.cat([noisy, current], dim=1), timesteps, embeddings, return_dict=False)[0]


@dataclass(frozen=True)
class TrainingData:
    """The pairs, their frames' latents float16 (F, C, h, w), and the instructions' tokens (I, L)."""

    table: PairTable
    latents: np.ndarray
    tokens: torch.Tensor


def learning_rate(step: int, options: Optimization) -> float:
    """The learning rate of a step: linear warm-up, then half a cosine down to the final ratio."""
    if step < options.warmup_steps:
        return options.learning_rate * (step + 1) / options.warmup_steps
    progress = (step - options.warmup_steps) / max(1, options.max_steps - options.warmup_steps)
    floor = options.final_learning_rate_ratio
    return options.learning_rate * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


class Trainer:
    """Trains a model; everything that a step does follows from (recipe, data, step), so that a resumed run continues
    as if it had never stopped.

    Args:
        validate: called with (steps done) on the main process when a validation is due and at the end.
    """

    def __init__(
        self,
        recipe: Recipe,
        accelerator: Accelerator,
        model: DenoisingModel,
        vae: PatchAutoencoder,
        scheduler,
        data: TrainingData,
        output: Path,
        validate: Callable[[int], None],
    ):
        options = recipe.optimization
        self.recipe, self.accelerator, self.scheduler, self.data = recipe, accelerator, scheduler, data
        self.output, self.validate = output, validate
        self.plain_model = model
        if accelerator.device.type == "cpu":
            # PyTorch's fused attention is slow in the backward pass for such short sequences on a CPU.
            model.unet.set_attn_processor(AttnProcessor())
        if recipe.run.compile:
            model.unet.compile()
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=0.0, betas=options.betas, weight_decay=options.weight_decay, fused=True
        )
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        self.ema = EMAModel(
            model.parameters(), decay=options.ema_decay, use_ema_warmup=True, power=options.ema_power, foreach=True
        )
        self.loss = VelocityLoss(vae, recipe.loss).to(accelerator.device)
        self.sampler = BatchSampler(
            data.table, options.batch_size, recipe.seed, accelerator.process_index, options.balance_tasks
        )
        self.identity = recipe.identity() | {"pairs": len(data.table), "processes": accelerator.num_processes}
        self.step = 0

    def resume(self) -> int:
        """Continues from the state in the output folder, if any; returns the number of steps done.

        Raises ResumeError if the state belongs to another recipe or dataset.
        """
        self.step = load_state(self.output, self.accelerator, self.model, self.optimizer, self.ema, self.identity)
        return self.step

    def train(self) -> None:
        """Runs to `max_steps`, or until `max_minutes` have passed; the state is saved either way."""
        options, run = self.recipe.optimization, self.recipe.run
        started = saved = time.monotonic()
        main = self.accelerator.is_main_process
        log = RunLog(self.output, self.step, run.log_every, enabled=main)
        self.model.train()
        with tqdm(total=options.max_steps, initial=self.step, desc="training", unit="step", disable=not main) as bar:
            while self.step < options.max_steps:
                log.add(self.train_step(), bar)
                bar.update()
                now = time.monotonic()
                if self.step % run.validate_every == 0 and self.step < options.max_steps:
                    self._validate(log)
                if now - saved > 60 * run.save_every_minutes:
                    self.save()
                    saved = now
                if run.max_minutes is not None and now - started > 60 * run.max_minutes:
                    bar.write(f"{run.max_minutes:g} minutes are over at step {self.step}; --resume auto continues")
                    break
        self.save()
        self._validate(log)

    def train_step(self) -> dict[str, float]:
        """Does one step and returns what to log of it."""
        options, device = self.recipe.optimization, self.accelerator.device
        pairs, instructions, noise_seed = self.sampler.draw(self.step)
        table = self.data.table
        current, future = (self._latents(frames[pairs]).to(device) for frames in (table.current, table.future))
        clean = future - coarse_channels(current, self.recipe.difference_channels)
        batch = add_noise(clean, self.scheduler, self.recipe.loss, noise_seed)
        rate = learning_rate(self.step, options)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        tokens = self.data.tokens[torch.from_numpy(instructions)].to(device)
        predicted = self.model(batch.noisy, current, batch.timesteps, tokens)
        loss = self.loss(predicted, batch)
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), options.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.step(self.plain_model.parameters())
        self.step += 1
        return {
            "step": self.step,
            "loss": float(loss.detach()),
            "one_step_psnr": self.loss.one_step_psnr(predicted.detach(), batch),
            "learning_rate": rate,
            "gradient_norm": float(norm),
        }

    def save(self) -> None:
        """Saves the state to continue from."""
        save_state(self.output, self.accelerator, self.model, self.optimizer, self.ema, self.step, self.identity)

    def _latents(self, frames: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.stack([self.data.latents[frame] for frame in frames])).float()

    def _validate(self, log: RunLog) -> None:
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            log.plot()
            self.validate(self.step)
        self.accelerator.wait_for_everyone()
