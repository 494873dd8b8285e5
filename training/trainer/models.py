"""The models of a recipe: the small one, one from published weights, one distilled from a teacher."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from training.trainer.conditions import Conditions
from training.trainer.model_sizes import TextEncoderSize, UNetSize
from training.trainer.strict import STRICT, Flag, Float, Int, check_positive, check_share


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
        check_share(self, "last_timestep_fraction")
        check_share(self, "conditioning_dropout", most=1 / 3)
        check_positive(self, "still_weight")


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
        check_share(self, "last_timestep_fraction")
        check_share(self, "conditioning_dropout", most=1 / 3)
        if self.min_snr_gamma is not None:
            check_positive(self, "min_snr_gamma")
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
        check_positive(self, "rank", "alpha")


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
        check_positive(self, "steps", "solver_steps", "huber_c")
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
