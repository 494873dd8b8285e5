"""Sizes of the small model's parts, as a recipe gives them."""

from pydantic.dataclasses import dataclass

from training.trainer.strict import STRICT, Flag, Int


@dataclass(frozen=True, config=STRICT)
class TextEncoderSize:
    """Size of the text encoder: tokens per instruction, hidden width, layers, attention heads."""

    max_length: Int = 32
    hidden: Int = 128
    layers: Int = 2
    heads: Int = 4


@dataclass(frozen=True, config=STRICT)
class UNetSize:
    """Size of the UNet.

    Attributes:
        channels: channels per resolution, finest first; each resolution after the first halves height and width.
        attention: per resolution, whether its blocks attend to the instruction and to each other.
        layers: residual blocks per resolution on the way down (one more on the way up).
        head_channels: channels per attention head.
        norm_groups: groups of the group normalisation; divides every entry of `channels`.
        scale_shift: let the timestep scale and shift features instead of only shifting them.
        pooled_words: add an embedding of the whole instruction to the timestep's (diffusers' `addition_embed_type` of
            "text"), so that the words act at every resolution, not only where `attention` is.
    """

    channels: tuple[Int, ...] = (128, 160, 192)
    attention: tuple[Flag, ...] = (False, True, True)
    layers: Int = 1
    head_channels: Int = 32
    norm_groups: Int = 32
    scale_shift: Flag = False
    pooled_words: Flag = False

    def __post_init__(self):
        if len(self.attention) != len(self.channels):
            raise ValueError(f"attention needs {len(self.channels)} entries, one per entry of channels")
        if any(channels % self.norm_groups for channels in self.channels):
            raise ValueError(f"channels {list(self.channels)} must be multiples of norm_groups {self.norm_groups}")
        if any(channels % self.head_channels for channels in self.channels):
            raise ValueError(f"channels {list(self.channels)} must be multiples of head_channels {self.head_channels}")
