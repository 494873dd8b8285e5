"""How much memory a training step takes, before one is done."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass

import torch
from rich.table import Column, Table
from torch._subclasses.fake_tensor import FakeTensorMode

from training.trainer.learner import Learner
from training.trainer.recipe import Recipe
from training.trainer.state import trainable


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on each process that trains a whole copy of the model (DDP, or one process).

    Weights, gradients, optimiser and average follow from the parameters. Activations are what autograd keeps for the
    backward pass of one batch.
    """

    weights: int
    gradients: int
    optimizer: int
    average: int
    activations: int

    @property
    def total(self) -> int:
        """Their sum. What the backward pass needs for a moment, and the allocator's slack, come on top."""
        return sum(asdict(self).values())

    def table(self) -> Table:
        """The estimate for the terminal."""
        table = Table("memory of a training step", Column("MiB", justify="right"))
        for name, size in [*asdict(self).items(), ("total", self.total)]:
            table.add_row(name, f"{size / 2**20:,.0f}")
        return table


def estimate_memory(recipe: Recipe, learner: Learner) -> MemoryEstimate:
    """Counts the memory of the learner's model under the recipe's options, without computing or allocating it."""
    if recipe.run.gradient_checkpointing:
        learner.model.unet.enable_gradient_checkpointing()
    trained = sum(parameter.numel() * parameter.element_size() for parameter in trainable(learner.model))
    return MemoryEstimate(
        weights=sum(parameter.numel() * parameter.element_size() for parameter in learner.model.parameters()),
        gradients=trained,
        optimizer=2 * trained,  # AdamW's two moments
        average=0 if recipe.optimization.ema_decay is None else trained,
        activations=count_activations(
            learner.model, learner.inputs(recipe.optimization.batch_size), recipe.run.mixed_precision != "no"
        ),
    )


def count_activations(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...], half: bool) -> int:
    """Bytes that autograd keeps of one forward pass, by running it on tensors without data (PyTorch's fake tensors).

    Every saved tensor counts once, and parameters do not count. With gradient checkpointing these are the inputs of the
    blocks; the activations of the one block that is being computed again are added.

    Args:
        half: with autocast to 16 bits.
    """
    storages: dict[int, tuple[object, int]] = {}  # kept alive: a freed storage's number is used again
    parameters: set[int] = set()

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in parameters:
            storages[storage._cdata] = (storage, storage.nbytes())
        return tensor

    training = model.training
    model.train()
    with (
        FakeTensorMode(allow_non_fake_inputs=True) as mode,
        torch.autocast("cpu", torch.bfloat16) if half else nullcontext(),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        stand_ins = [mode.from_tensor(parameter) for parameter in model.parameters()]
        parameters.update(stand_in.untyped_storage()._cdata for stand_in in stand_ins)
        model(*(mode.from_tensor(tensor) for tensor in inputs))
    model.train(training)
    return sum(size for _, size in storages.values())
