"""The recipe of a training run: a YAML file, checked against the dataclasses below, and `key=value` overrides."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from framepred_ros.compositing import Compositing
from training.small.model import TextEncoderSize, UNetSize


class RecipeError(ValueError):
    """A recipe is not valid; the message names the file or override, and the key."""


@dataclass(frozen=True)
class Autoencoder:
    """How the linear patch autoencoder is fitted.

    Attributes:
        patch_size: side of a patch in pixels, a power of two.
        components: latent channels.
        pairs: pairs of frames to fit on, drawn evenly from the training pairs.
        still_weight: weight of patches that do not change within the pair, relative to those that do. What does not
            change is never redrawn, so its details are worth less.
    """

    patch_size: int = 16
    components: int = 96
    pairs: int = 600
    still_weight: float = 0.1


@dataclass(frozen=True)
class Loss:
    """The training loss; see `training.small.loss`.

    Attributes:
        last_timestep_fraction: share of the samples at the last timestep, where one-step prediction starts; the
            others are uniform over all timesteps.
        last_timestep_noise: feed noise at the last timestep, as diffusion does. Without it the UNet gets zeros there
            and need not learn to ignore noise that says nothing; one-step prediction then starts from zeros too.
        channel_weight_power: latent channel k weighs std_k to this power in the squared error; 2 is pixel error.
        l1_weight: weight of the absolute pixel error beside the squared one; it favours sharp edges over blurred ones.
    """

    last_timestep_fraction: float = 0.85
    last_timestep_noise: bool = False
    channel_weight_power: float = 2.0
    l1_weight: float = 0.0

    def __post_init__(self):
        if not 0 <= self.last_timestep_fraction <= 1:
            raise ValueError(f"last_timestep_fraction must be between 0 and 1, not {self.last_timestep_fraction}")


@dataclass(frozen=True)
class Optimization:
    """AdamW with linear warm-up and cosine decay to `final_learning_rate_ratio`, and an average of the weights.

    Attributes:
        max_steps: length of the run and of the learning-rate schedule.
        batch_size: samples a step on each process.
        balance_tasks: draw every task equally often, instead of every pair.
        ema_decay, ema_power: at step n the average keeps min(ema_decay, 1 - (1 + n) ** -ema_power) of itself.
    """

    max_steps: int = 10000
    batch_size: int = 16
    learning_rate: float = 1e-3
    final_learning_rate_ratio: float = 0.02
    warmup_steps: int = 200
    weight_decay: float = 0.01
    betas: tuple[float, ...] = (0.9, 0.99)
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    ema_power: float = 0.75
    balance_tasks: bool = True

    def __post_init__(self):
        for name in ("max_steps", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")


@dataclass(frozen=True)
class Run:
    """What a run may change without changing what is learned; a resumed run may differ in these.

    Attributes:
        mixed_precision: "no" or "bf16".
        compile: compile the UNet with torch.compile.
        cpu_threads: threads of each process, null for PyTorch's choice. On a machine that also does other work, one
            thread is many times faster than two: a thread that lost its core keeps all others spinning.
        max_minutes: stop in time, saved; the schedule does not change. Null is no limit.
        save_every_minutes: how much work a crash may cost.
        validate_every: steps between validations, each of which also writes the checkpoint folder.
        log_every: steps between lines in the log.
    """

    mixed_precision: str = "bf16"
    compile: bool = False
    cpu_threads: int | None = None
    max_minutes: float | None = None
    save_every_minutes: float = 5.0
    validate_every: int = 1000
    log_every: int = 20

    def __post_init__(self):
        if self.mixed_precision not in ("no", "bf16"):
            raise ValueError(f"mixed_precision must be no or bf16, not {self.mixed_precision!r}")


@dataclass(frozen=True)
class Validation:
    """Held-out training episodes: per task, how many, and how many of their pairs are scored."""

    episodes_per_task: int = 2
    pairs_per_task: int = 8


@dataclass(frozen=True)
class Recipe:
    """A whole training run.

    Attributes:
        resolution: (height, width) in pixels, multiples of the patch size.
        difference_channels: leading latent channels predicted as a change from the current frame, null for all; see
            `framepred_ros.checkpoint.CheckpointInfo`.
    """

    name: str = "small"
    seed: int = 0
    resolution: tuple[int, ...] = (240, 320)
    tokenizer_merges: int = 400
    difference_channels: int | None = None
    autoencoder: Autoencoder = field(default_factory=Autoencoder)
    text_encoder: TextEncoderSize = field(default_factory=TextEncoderSize)
    unet: UNetSize = field(default_factory=UNetSize)
    loss: Loss = field(default_factory=Loss)
    optimization: Optimization = field(default_factory=Optimization)
    validation: Validation = field(default_factory=Validation)
    compositing: Compositing = field(default_factory=Compositing)
    run: Run = field(default_factory=Run)

    def __post_init__(self):
        patch = self.autoencoder.patch_size
        if len(self.resolution) != 2 or any(side <= 0 or side % patch for side in self.resolution):
            raise ValueError(f"resolution must be two multiples of autoencoder.patch_size {patch}")

    def identity(self) -> dict[str, Any]:
        """What must not change when a run is resumed: everything but `run`, `compositing` and `max_steps`."""
        values = to_dict(self)
        del values["run"], values["compositing"], values["optimization"]["max_steps"]
        return values


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Reads a recipe and applies overrides such as "optimization.max_steps=200".

    Raises:
        RecipeError: unreadable file, unknown key, or impossible value.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from None
    for override in overrides:
        _apply_override(values, override)
    try:
        return _build(Recipe, values, "")
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{path}: {error}") from None


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Writes the resolved recipe, every key spelled out."""
    path.write_text(yaml.safe_dump(to_dict(recipe), sort_keys=False), encoding="utf-8")


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain dictionaries, lists, numbers and strings."""
    return _plain(asdict(recipe))


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _apply_override(values: dict, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise RecipeError(f"override {override!r} must look like key=value")
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise RecipeError(f"override {override!r}: {section} is not a section")
    values[last] = yaml.safe_load(text)


def _build(kind: type, values: Any, prefix: str):
    """Builds a dataclass from a dictionary, checking names and types."""
    if not isinstance(values, dict):
        raise ValueError(f"{prefix.rstrip('.') or 'the recipe'} must be a section of keys, not {values!r}")
    hints = typing.get_type_hints(kind)
    known = [each.name for each in fields(kind)]
    for name in values:
        if name not in known:
            raise ValueError(f"unknown key {prefix}{name}; known are {', '.join(known)}")
    arguments = {name: _convert(hints[name], value, prefix + name) for name, value in values.items()}
    try:
        return kind(**arguments)
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from None


def _convert(hint, value, name: str):
    if is_dataclass(hint):
        return _build(hint, value, name + ".")
    if typing.get_origin(hint) in (types.UnionType, typing.Union):  # only "float | None" occurs
        return None if value is None else _convert(typing.get_args(hint)[0], value, name)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{name} must be a list, not {value!r}")
        return tuple(_convert(typing.get_args(hint)[0], item, name) for item in value)
    if hint is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-3 as text
        except ValueError:
            pass
    elif isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"{name} must be {hint.__name__}, not {value!r}")
