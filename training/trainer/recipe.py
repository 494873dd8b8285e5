"""The recipe of a training run, checked by pydantic; `training.trainer.recipe_file` reads and writes it."""

from __future__ import annotations

import math
from dataclasses import asdict, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from framepred_ros.prediction.compositing import Compositing
from training.trainer.models import Model, SmallModel
from training.trainer.strict import STRICT, Flag, Float, Int, check_positive, check_share, known_keys

# YAML reads a bare no as false.
_Precision = Annotated[Literal["no", "bf16", "fp16"], BeforeValidator(lambda value: "no" if value is False else value)]


@dataclass(frozen=True, config=STRICT)
class Data:
    """Which samples are drawn.

    Attributes:
        tasks: train, and validate, on these tasks of the dataset only; null for all.
        balance_tasks: draw every task equally often; otherwise every pair once an epoch, in a new order each time.
        shares: draw these tasks so often, by name, as shares of one; the other tasks share what is left by their number
            of pairs. Takes the place of `balance_tasks`.
        openings: of these tasks' samples, by name, such a share begins within an episode's first `OPENING` frames and
            is of the dataset's own horizon. Later frames mostly show what will be done; there, the words alone say it.
        mirror: mirror every other pair, with the sides in its instruction swapped; a pair whose instruction has no
            sure mirror image stays as it is (`training.trainer.mirroring`).
        max_samples: train on this many pairs, chosen at random; null for all.
    """

    tasks: tuple[str, ...] | None = None
    balance_tasks: Flag = True
    shares: dict[str, float] | None = None
    openings: dict[str, float] | None = None
    mirror: Flag = False
    max_samples: Int | None = None

    def __post_init__(self):
        if self.max_samples is not None:
            check_positive(self, "max_samples")
        for share in (self.openings or {}).values():
            if not 0 < share <= 1:
                raise ValueError(f"openings must be above 0 and at most 1, not {self.openings}")
        shares = self.shares or {}
        if min(shares.values(), default=1) <= 0 or sum(shares.values()) > 1:
            raise ValueError(f"shares must be above 0 and at most 1 together, not {self.shares}")


@dataclass(frozen=True, config=STRICT)
class Optimization:
    """AdamW with linear warm-up, then a schedule, and an average of the weights.

    Attributes:
        max_steps: length of the run and of the schedule, in optimiser steps; null where `epochs` says it.
        epochs: length in passes over the pairs; null where `max_steps` says it.
        batch_size: samples of one pass on each process.
        gradient_accumulation: passes a step.
        schedule: constant, or cosine: half a cosine down to `final_learning_rate_ratio`.
        gradient_clip: largest norm of the gradient.
        ema_decay, ema_power: at step n the average keeps min(ema_decay, 1 - (1 + n) ** -ema_power) of itself. A null
            `ema_decay` is no average.
    """

    max_steps: Int | None = None
    epochs: Float | None = None
    batch_size: Int = 16
    gradient_accumulation: Int = 1
    learning_rate: Float = 1e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    final_learning_rate_ratio: Float = 0.02
    warmup_steps: Int = 200
    weight_decay: Float = 0.01
    betas: tuple[Float, ...] = (0.9, 0.99)
    gradient_clip: Float = 1.0
    ema_decay: Float | None = 0.999
    ema_power: Float = 0.75

    def __post_init__(self):
        if (self.max_steps is None) == (self.epochs is None):
            raise ValueError("one of max_steps and epochs must be given, and the other null")
        length = "max_steps" if self.epochs is None else "epochs"
        check_positive(self, length, "batch_size", "gradient_accumulation", "learning_rate", "gradient_clip")
        if len(self.betas) != 2:
            raise ValueError(f"betas must be two numbers, not {list(self.betas)}")

    def steps(self, pairs: int, processes: int) -> int:
        """Optimiser steps of a whole run over so many pairs on so many processes."""
        if self.max_steps is not None:
            return self.max_steps
        return math.ceil(self.epochs * pairs / (self.batch_size * self.gradient_accumulation * processes))


@dataclass(frozen=True, config=STRICT)
class Run:
    """What a run may change without changing what is learned; a resumed run may differ in these.

    Attributes:
        mixed_precision: no, bf16, or fp16 with a gradient scaler (GPUs only).
        gradient_checkpointing: compute activations again in the backward pass instead of keeping them.
        compile: compile the UNet with torch.compile.
        cpu_threads: threads of each process, null for PyTorch's choice. On a machine that also does other work, one
            thread is many times faster than two: a thread that lost its core keeps all others spinning.
        max_minutes: stop in time, saved; the schedule does not change. Null is no limit.
        save_every: steps between saved states, which is how much work a crash may cost.
        keep_states: how many of the newest states are kept.
        validate_every: steps between validations, each of which also writes the checkpoint folder.
        log_every: steps between writes of the log and of the progress bar's numbers.
    """

    mixed_precision: _Precision = "bf16"
    gradient_checkpointing: Flag = False
    compile: Flag = False
    cpu_threads: Int | None = None
    max_minutes: Float | None = None
    save_every: Int = 250
    keep_states: Int = 2
    validate_every: Int = 1000
    log_every: Int = 20

    def __post_init__(self):
        check_positive(self, "save_every", "keep_states", "validate_every", "log_every")


@dataclass(frozen=True, config=STRICT)
class Validation:
    """Held-out training episodes, and what follows from their scores.

    Attributes:
        episodes_per_task: episodes of each task, and of each source, that are never trained on; see
            `training.trainer.validation_episodes`.
        share: of each task's episodes, and of each source's, to hold out where that is more; null for none.
        pairs_per_task: how many of their pairs are scored, evenly drawn and the same every time.
        image: a picture that is predicted besides, with the first pair's instruction: a path, or one within the
            dataset folder; null for none.
        at_start: measure also before the first step, which tells what the weights to start from are worth.
        patience: end the run after so many validations in a row without a better one; null never does.
    """

    episodes_per_task: Int = 2
    share: Float | None = None
    pairs_per_task: Int = 8
    image: str | None = None
    at_start: Flag = False
    patience: Int | None = None

    def __post_init__(self):
        check_positive(self, "episodes_per_task", "pairs_per_task")
        if self.share is not None:
            check_share(self, "share", most=0.5)
        if self.patience is not None:
            check_positive(self, "patience")


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """A whole training run. `resolution` is (height, width) in pixels; a null `compositing` publishes frames whole."""

    name: str = "small"
    seed: Int = 0
    resolution: tuple[Int, ...] = (240, 320)
    model: Model = field(default_factory=SmallModel)
    data: Data = field(default_factory=Data)
    optimization: Optimization = field(default_factory=lambda: Optimization(max_steps=10000))
    validation: Validation = field(default_factory=Validation)
    compositing: Annotated[Compositing | None, known_keys(Compositing)] = field(default_factory=Compositing)
    run: Run = field(default_factory=Run)

    def __post_init__(self):
        unit = self.model.pixels_per_latent
        if len(self.resolution) != 2 or any(side <= 0 or side % unit for side in self.resolution):
            raise ValueError(f"resolution must be [height, width], multiples of {unit}, not {list(self.resolution)}")

    def identity(self) -> dict[str, Any]:
        """What must not change when a run is resumed: everything but `run`, `compositing` and the run's length.

        `model.weights` is left out too: it is their content that must not change, not their place.
        """
        values = to_dict(self)
        del values["model"]["weights"]
        del values["run"], values["compositing"], values["optimization"]["max_steps"], values["optimization"]["epochs"]
        return values


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain dictionaries, lists, numbers and strings."""
    return _plain(asdict(recipe))


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
