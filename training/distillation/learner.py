"""The distilled model in training: a UNet learns to reach in one step where its teacher's sampling leads."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator, DistributedType
from torch.func import functional_call

from framepred_ros.patch_autoencoder import PatchAutoencoder
from framepred_ros.prediction.guidance import guidance_inputs, guide, is_guided
from framepred_ros.prediction.loading import build_pipeline
from framepred_ros.prediction.predictor import coarse_channels
from training.distillation.consistency import ConsistencySolver, build_scheduler, pseudo_huber
from training.distillation.teacher import conditions_of, load_teacher
from training.full.cached_pairs import CachedPairs, denoiser_inputs, to_device
from training.full.learner import HALF
from training.full.objective import Batch
from training.trainer.average import WeightAverage
from training.trainer.pair_table import PairTable
from training.trainer.recipe import Recipe
from training.trainer.sampler import Draw
from training.trainer.weights import WeightsError


class Student(torch.nn.Module):
    """The UNet that learns, and beside it the frozen one that it learns from."""

    def __init__(self, unet, teacher):
        super().__init__()
        self.unet, self.teacher = unet, teacher

    def forward(
        self,
        sample: torch.Tensor,
        timesteps: torch.Tensor,
        text: torch.Tensor,
        horizons: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The student's output (N, C, h, w); arguments as those of `training.full.learner.Denoiser`."""
        return self.unet(sample, timesteps, text, class_labels=horizons, return_dict=False)[0]

    def train(self, mode: bool = True) -> Student:
        """As PyTorch has it, but the teacher always evaluates."""
        super().train(mode)
        self.teacher.eval()
        return self


class DistillationLearner:
    """See `training.trainer.learner.Learner`; the teacher is the checkpoint in `folder`.

    The average of the weights that the trainer keeps is the target network of the paper's algorithm 1.

    Raises:
        WeightsError: there is no teacher, or it cannot be loaded.
        ValueError: the recipe's solver steps do not fit its schedule.
    """

    average: WeightAverage | None = None

    def __init__(self, recipe: Recipe, folder: Path | None):
        if folder is None:
            raise WeightsError("model.weights must name the teacher; training.distill --teacher CHECKPOINT does it")
        self.recipe, self.options = recipe, recipe.model
        teacher = load_teacher(folder)
        self.info = replace(teacher.info, **self.options.guidance())
        self.conditions = conditions_of(self.info)
        self.scheduler = build_scheduler(teacher.scheduler, self.options.solver_steps)
        unet = copy.deepcopy(teacher.parts.unet).requires_grad_(True)
        self.parts = replace(teacher.parts, unet=unet)
        self.model = Student(unet, teacher.parts.unet.to(HALF[recipe.run.mixed_precision]))
        self._template = copy.deepcopy(unet)  # as it is before training wraps it

    def prepare(self, table: PairTable, output: Path, accelerator: Accelerator) -> None:
        """See `Learner`. Raises ValueError under FSDP, which would shard the weights that the average stands in for."""
        if accelerator.distributed_type == DistributedType.FSDP:
            raise ValueError("distillation needs the whole model on each GPU; launch it with DDP instead of FSDP")
        self.device = accelerator.device
        self.pairs = CachedPairs(self.recipe, self.parts, table, output / "cache", self.device, self.conditions)
        self.solver = ConsistencySolver(self.scheduler).to(self.device)
        self.channel_weights = channel_weights(self.parts.vae).to(self.device)

    def load(self, draw: Draw) -> Batch:
        """See `Learner`. The batch's timesteps are the solver's positions, counted from 0."""
        return self.pairs.load(draw, self.options.solver_steps, last_fraction=0.0)

    def loss(self, model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `Learner`."""
        batch = to_device(batch, self.device)
        positions = batch.noise.timesteps + 1
        noisy = self.solver.add_noise(self._clean(batch), batch.noise.noise, positions)
        with torch.no_grad():
            before = self.solver.step(self._teach(noisy, positions, batch), noisy, positions)
            inputs = self._inputs(before, positions - 1, batch)
            target = self.solver.consistency(self._target_output(*inputs), before, positions - 1)
        output = model(*self._inputs(noisy, positions, batch))
        predicted = self.solver.consistency(output, noisy, positions)
        return pseudo_huber(predicted - target, self.channel_weights, self.options.huber_c), {}

    def inputs(self, batch_size: int) -> tuple[torch.Tensor, ...]:
        """See `Learner`."""
        return denoiser_inputs(self.parts, self.recipe.resolution, batch_size)

    def pipeline(self, weights: dict[str, torch.Tensor]):
        """See `Learner`."""
        unet = copy.deepcopy(self._template)
        unet.load_state_dict({name.removeprefix("unet."): tensor for name, tensor in weights.items()})
        vae, text_encoder = (copy.deepcopy(part).half() for part in (self.parts.vae, self.parts.text_encoder))
        return build_pipeline(vae, text_encoder, self.parts.tokenizer, unet.half(), self.scheduler)

    def checkpoint_settings(self) -> dict:
        """See `Learner`."""
        return {
            "steps": self.options.steps,
            "prediction_target": self.info.prediction_target,
            "difference_channels": self.info.difference_channels,
            **self.conditions.checkpoint_settings(),
        }

    def _clean(self, batch: Batch) -> torch.Tensor:
        """What the teacher samples: the future frame's latents, or the change, in the scheduler's scale."""
        future = batch.mean + batch.std * batch.noise.posterior
        if self.info.prediction_target == "difference":
            future = future - coarse_channels(batch.current, self.info.difference_channels)
        return future * self.parts.vae.config.scaling_factor

    def _inputs(self, sample: torch.Tensor, positions: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, ...]:
        sample = torch.cat([sample, batch.condition], dim=1)
        arguments = sample, self.solver.timesteps[positions], batch.text
        return arguments if batch.horizons is None else (*arguments, batch.horizons)

    def _teach(self, noisy: torch.Tensor, positions: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The teacher's output, with its guidance."""
        timesteps = self.solver.timesteps[positions]
        if not is_guided(self.info):
            sample, timesteps, text, *horizons = self._inputs(noisy, positions, batch)
            labels = horizons[0] if horizons else None
            return self.model.teacher(sample, timesteps, text, class_labels=labels, return_dict=False)[0]
        condition, text = guidance_inputs(batch.condition, batch.text, batch.empty)
        sample = torch.cat([torch.cat([noisy] * 3), condition], dim=1)
        labels = None if batch.horizons is None else batch.horizons.repeat(3)
        output = self.model.teacher(sample, timesteps.repeat(3), text, class_labels=labels, return_dict=False)[0]
        return guide(output.float(), self.info)  # large scales amplify the rounding of 16 bits

    def _target_output(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The target network's output: that of the averaged weights, or of the weights where no average is kept."""
        if self.average is None:
            return self.model(*inputs)
        names = [name for name, parameter in self.model.named_parameters() if parameter.requires_grad]
        return functional_call(self.model, dict(zip(names, self.average.shadow_params, strict=True)), inputs)


def channel_weights(vae) -> torch.Tensor:
    """Weights (C,) of the latents' channels in the loss, 1 on average.

    The linear autoencoder's channels have unit variance, whatever they are worth in pixels: their standard deviation
    says it. Those of other autoencoders count equally.
    """
    if isinstance(vae, PatchAutoencoder):
        return vae.std / vae.std.mean()
    return torch.ones(vae.config.latent_channels)
