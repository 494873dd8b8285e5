"""The recipe of a training run, checked by pydantic; `training.trainer.recipe_file` reads and writes it."""

from __future__ import annotations

import math
from dataclasses import asdict, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from framepred_ros.prediction.compositing import Compositing
from training.trainer.conditions import Conditions
from training.trainer.model_sizes import TextEncoderSize, UNetSize
from training.trainer.strict import STRICT, Flag, Float, Int, known_keys

# YAML reads a bare no as false.
_Precision = Annotated[Literal["no", "bf16", "fp16"], BeforeValidator(lambda value: "no" if value is False else value)]


@dataclass(frozen=True, config=STRICT)
class Autoencoder:
    """How the small model's linear patch autoencoder is fitted.

    Attributes:
        patch_size: side of a patch in pixels, a power of two.
        components: latent channels.
        pairs: pairs of frames to fit on, drawn evenly from the training pairs.
        still_weight: weight of patches that do not change within the pair, relative to those that do. What does not
            change is never redrawn, so its details are worth less.
    """

    patch_size: Int = 16
    components: Int = 96
    pairs: Int = 600
    still_weight: Float = 0.1


@dataclass(frozen=True, config=STRICT)
class Loss:
    """The small model's loss; see `training.small.loss`.

    Attributes:
        last_timestep_fraction: share of the samples at the last timestep, where one-step prediction starts; the
            others are uniform over all timesteps.
        last_timestep_noise: feed noise at the last timestep, as diffusion does. Without it the UNet gets zeros there
            and need not learn to ignore noise that says nothing; one-step prediction then starts from zeros too.
        channel_weight_power: latent channel k weighs std_k to this power in the squared error; 2 is pixel error.
        l1_weight: weight of the absolute pixel error beside the squared one; it favours sharp edges over blurred ones.
        still_weight: weight of patches that stay as they are, relative to those that change. Compositing shows the
            camera's own pixels where nothing changes, so that an error there costs little.
        conditioning_dropout: as in `Diffusion`; without it the model can be run without guidance only.
    """

    last_timestep_fraction: Float = 0.85
    last_timestep_noise: Flag = False
    channel_weight_power: Float = 2.0
    l1_weight: Float = 0.0
    still_weight: Float = 1.0
    conditioning_dropout: Float = 0.0

    def __post_init__(self):
        _check_share(self, "last_timestep_fraction")
        _check_share(self, "conditioning_dropout", most=1 / 3)
        _check_positive(self, "still_weight")


@dataclass(frozen=True, config=STRICT)
class SmallModel:
    """A small model: tokenizer, linear autoencoder, text encoder and UNet, from scratch or from a checkpoint.

    Attributes:
        weights: a checkpoint of the same sizes to train on from, a folder or a hub id: its tokenizer and autoencoder
            are kept, its text encoder and UNet trained; null starts from scratch.
        relearn_words: with `weights`, learn tokenizer and text encoder anew, from a UNet that at first does for all
            words what it did for none. For a checkpoint that ignores its words, which it does not unlearn.
        refit: with `weights`, keep only the UNet, and fit the autoencoder and learn the words anew, for data with other
            colours or other words than the checkpoint has seen.
        tokenizer_merges: most byte-pair merges to learn from the instructions.
        difference_channels: leading latent channels predicted as a change from the current frame, null for all; see
            `framepred_ros.prediction.checkpoint.CheckpointInfo`.
        conditions: horizon and past; a start without them is widened, and computes at first what it did.
    """

    kind: Literal["small"] = "small"
    weights: str | None = None
    relearn_words: Flag = False
    refit: Flag = False
    tokenizer_merges: Int = 400
    difference_channels: Int | None = None
    autoencoder: Autoencoder = field(default_factory=Autoencoder)
    text_encoder: TextEncoderSize = field(default_factory=TextEncoderSize)
    unet: UNetSize = field(default_factory=UNetSize)
    conditions: Conditions = field(default_factory=Conditions)
    loss: Loss = field(default_factory=Loss)

    def __post_init__(self):
        if (self.refit or self.relearn_words) and self.weights is None:
            name = "refit" if self.refit else "relearn_words"
            raise ValueError(f"{name} needs weights, a checkpoint to start from; without one everything is new anyway")

    @property
    def pixels_per_latent(self) -> int:
        """Sides of the resolution must be multiples of this."""
        return self.autoencoder.patch_size


@dataclass(frozen=True, config=STRICT)
class Diffusion:
    """The denoising objective of a pretrained model; see `training.full.objective`.

    Attributes:
        prediction_type: epsilon or v_prediction.
        zero_terminal_snr: rescale the noise schedule so that its last timestep is pure noise (arXiv 2305.08891).
        min_snr_gamma: weigh timesteps by min(SNR, gamma) (arXiv 2303.09556), null for equal weights.
        conditioning_dropout: p of InstructPix2Pix (arXiv 2211.09800, section 3.2.1): only the instruction is left out
            with this probability, only the image, and both.
        last_timestep_fraction: share of the samples at the last timestep; the others are uniform over all timesteps.
    """

    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"
    zero_terminal_snr: Flag = False
    min_snr_gamma: Float | None = None
    conditioning_dropout: Float = 0.05
    last_timestep_fraction: Float = 0.0

    def __post_init__(self):
        _check_share(self, "last_timestep_fraction")
        _check_share(self, "conditioning_dropout", most=1 / 3)
        if self.min_snr_gamma is not None:
            _check_positive(self, "min_snr_gamma")
        if self.zero_terminal_snr and self.prediction_type == "epsilon":
            raise ValueError(
                "zero_terminal_snr needs prediction_type v_prediction: pure noise says nothing about a frame"
            )


@dataclass(frozen=True, config=STRICT)
class Lora:
    """Low-rank adapters (arXiv 2106.09685) of all attention layers. `alpha / rank` scales what they add."""

    rank: Int = 32
    alpha: Float = 32.0

    def __post_init__(self):
        _check_positive(self, "rank", "alpha")


@dataclass(frozen=True, config=STRICT)
class Sampling:
    """How the checkpoint is run, in validation and afterwards: sampling steps, and scales of guidance, 1 for none."""

    steps: Int = 100
    guidance_scale: Float = 7.5
    image_guidance_scale: Float = 1.5


@dataclass(frozen=True, config=STRICT)
class PretrainedModel:
    """A UNet trained on from published weights; autoencoder and text encoder stay as they are.

    Attributes:
        weights: a folder in diffusers' layout, or a hub id. A UNet of four input channels is widened to eight.
        conditions: horizon and past; the UNet is widened for them.
        lora: train adapters instead of the whole UNet; null trains the UNet.
    """

    kind: Literal["pretrained"] = "pretrained"
    weights: str = "timbrooks/instruct-pix2pix"
    diffusion: Diffusion = field(default_factory=Diffusion)
    conditions: Conditions = field(default_factory=Conditions)
    lora: Lora | None = None
    sampling: Sampling = field(default_factory=Sampling)

    @property
    def pixels_per_latent(self) -> int:
        """Sides of the resolution must be multiples of this: Stable Diffusion's autoencoder halves three times."""
        return 8


@dataclass(frozen=True, config=STRICT)
class DistilledModel:
    """A UNet that learns to do in few steps, without guidance, what its teacher does in many; see `training.distill`.

    Attributes:
        weights: the teacher, a checkpoint's folder or a hub id.
        steps: sampling steps of the distilled checkpoint.
        guidance_scale, image_guidance_scale: the teacher's, which become part of the weights; null takes those of its
            framepred.json.
        solver_steps: timesteps between which the teacher leads; must divide those of its noise schedule. Fewer are
            learned sooner and follow the teacher less exactly.
        huber_c: the latents' error up to which the loss is a square; beyond, it is an absolute value.
    """

    kind: Literal["distilled"] = "distilled"
    weights: str | None = None
    steps: Int = 1
    guidance_scale: Float | None = None
    image_guidance_scale: Float | None = None
    solver_steps: Int = 50
    huber_c: Float = 0.001

    def __post_init__(self):
        _check_positive(self, "steps", "solver_steps", "huber_c")
        if self.steps > self.solver_steps:
            raise ValueError(f"steps must be at most solver_steps {self.solver_steps}, not {self.steps}")

    def guidance(self) -> dict[str, float]:
        """The scales that are given here, by name."""
        scales = {"guidance_scale": self.guidance_scale, "image_guidance_scale": self.image_guidance_scale}
        return {name: scale for name, scale in scales.items() if scale is not None}

    @property
    def pixels_per_latent(self) -> int:
        """Sides of the resolution must be multiples of this; the resolution is the teacher's own, and fits it."""
        return 1


Model = Annotated[SmallModel | PretrainedModel | DistilledModel, Field(discriminator="kind")]
KINDS = ("small", "pretrained", "distilled")


@dataclass(frozen=True, config=STRICT)
class Data:
    """Which samples are drawn.

    Attributes:
        tasks: train, and validate, on these tasks of the dataset only; null for all.
        balance_tasks: draw every task equally often; otherwise every pair once an epoch, in a new order each time.
        shares: draw these tasks so often, by name, as shares of one; the other tasks share what is left by their number
            of pairs. Takes the place of `balance_tasks`.
        mirror: mirror every other pair, with the sides in its instruction swapped; a pair whose instruction has no
            sure mirror image stays as it is (`training.trainer.mirroring`).
        max_samples: train on this many pairs, chosen at random; null for all.
    """

    tasks: tuple[str, ...] | None = None
    balance_tasks: Flag = True
    shares: dict[str, float] | None = None
    mirror: Flag = False
    max_samples: Int | None = None

    def __post_init__(self):
        if self.max_samples is not None:
            _check_positive(self, "max_samples")
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
        _check_positive(self, length, "batch_size", "gradient_accumulation", "learning_rate", "gradient_clip")
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
        _check_positive(self, "save_every", "keep_states", "validate_every", "log_every")


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
        _check_positive(self, "episodes_per_task", "pairs_per_task")
        if self.share is not None:
            _check_share(self, "share", most=0.5)
        if self.patience is not None:
            _check_positive(self, "patience")


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


def _check_positive(options, *names: str) -> None:
    for name in names:
        if not getattr(options, name) > 0:
            raise ValueError(f"{name} must be more than 0, not {getattr(options, name)}")


def _check_share(options, name: str, most: float = 1) -> None:
    if not 0 <= getattr(options, name) <= most:
        raise ValueError(f"{name} must be between 0 and {most:.3g}, not {getattr(options, name)}")
