"""What a model is trained to take besides the current frame and the words, as a recipe says it."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from framepred_ros.prediction.conditions import history_channel_count
from training.trainer.strict import STRICT, Float, Int


@dataclass(frozen=True, config=STRICT)
class Conditions:
    """Horizon and past as conditions of the model; the defaults are neither.

    Attributes:
        horizons: the shortest and the longest horizon to draw, in steps; null trains for the dataset's alone.
        horizon_share: share of the samples at the dataset's own horizon; the others are drawn from `horizons`, short
            ones more often: the density falls with the cube root of the horizon.
        history: how many steps before the current frame those frames lie that the model is given too.
        history_channels: how many leading latent channels of each; null is all. `PatchAutoencoder`'s are the coarse
            ones, which say where the arm was.
        history_dropout: share of the samples that are given no past, so that one picture alone goes on working. A
            quarter as many are given the nearest frame alone.
    """

    horizons: tuple[Int, ...] | None = None
    horizon_share: Float = 0.4
    history: tuple[Int, ...] = ()
    history_channels: Int | None = None
    history_dropout: Float = 0.4

    def __post_init__(self):
        if self.horizons is not None and not (len(self.horizons) == 2 and 1 <= self.horizons[0] <= self.horizons[1]):
            raise ValueError(f"horizons must be null or [shortest, longest] in steps, not {list(self.horizons)}")
        if list(self.history) != sorted(set(self.history)) or any(steps < 1 for steps in self.history):
            raise ValueError(f"history must be ascending numbers of steps back, not {list(self.history)}")
        for name, most in (("horizon_share", 1), ("history_dropout", 0.8)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be between 0 and {most}, not {getattr(self, name)}")

    def input_channels(self, latent_channels: int) -> int:
        """How many channels the UNet takes: noisy latents, the current frame's, and the past's."""
        return 2 * latent_channels + history_channel_count(latent_channels, self.history, self.history_channels)

    def checkpoint_settings(self) -> dict:
        """The fields of `CheckpointInfo` that say so."""
        return {"horizons": self.horizons, "history": self.history, "history_channels": self.history_channels}
