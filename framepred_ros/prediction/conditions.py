"""What a prediction depends on besides the current frame and the words: how far ahead, and what the camera saw before.

The horizon enters the UNet as diffusers' class label of type "timestep": an embedding of the number of steps, added to
the timestep's. The past enters as further input channels behind the current frame's latents. Training and prediction
make both here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from framepred_ros.prediction.checkpoint import CheckpointInfo


@dataclass(frozen=True)
class Past:
    """Earlier frames of N cameras, S of them each, and which of these are there.

    Attributes:
        pixels: (N, S, 3, H, W) in [-1, 1]; what is not there may hold anything.
        present: bool (N, S).
    """

    pixels: torch.Tensor
    present: torch.Tensor


def history_channels(
    current: torch.Tensor, past: torch.Tensor, present: torch.Tensor, channels: int | None
) -> torch.Tensor:
    """The past as input channels of the UNet.

    Args:
        current: latents of the current frames (N, C, h, w).
        past: latents of S earlier frames of each (N, S, C, h, w).
        present: which of them are there, bool (N, S).
        channels: how many leading latent channels are given of each; None is all.

    Returns:
        (N, S * (K + 1), h, w): per earlier frame the K channels of its difference from the current one, and a plane of
        ones; all zero for a frame that is not there.
    """
    import torch  # here: the checks below serve the runtime without torch, too

    kept = present[:, :, None, None, None].to(current)
    difference = (past[:, :, :channels] - current[:, None, :channels]) * kept
    planes = kept.expand(-1, -1, 1, *current.shape[2:])
    return torch.cat([difference, planes], dim=2).flatten(1, 2)


def history_channel_count(latent_channels: int, history: tuple[int, ...], channels: int | None) -> int:
    """How many channels `history_channels` gives for frames `history` steps back; 0 for a model without a past."""
    return len(history) * ((latent_channels if channels is None else channels) + 1)


def horizon_labels(horizons, device: torch.device) -> torch.Tensor:
    """Horizons in steps as the UNet's class labels, float32 (N,)."""
    import torch

    return torch.as_tensor(horizons, dtype=torch.float32, device=device)


def check_conditions(config: Any, latent_channels: int, info: CheckpointInfo) -> None:
    """Raises ValueError unless a UNet takes what `framepred.json` says it does.

    Args:
        config: the UNet's configuration.
        latent_channels: of the autoencoder.
    """
    knows_horizons = config.get("class_embed_type") == "timestep"
    if knows_horizons != (info.horizons is not None):
        says = "no horizons, but its UNet takes one" if knows_horizons else "horizons, but its UNet takes none"
        raise ValueError(f"framepred.json has {says} (class_embed_type in unet/config.json)")
    past = history_channel_count(latent_channels, info.history, info.history_channels)
    if config["in_channels"] != 2 * latent_channels + past:
        raise ValueError(
            f"the UNet takes {config['in_channels']} channels, but two frames' latents and the history in "
            f"framepred.json are {2 * latent_channels + past}"
        )
