"""Guidance by instruction and current frame: InstructPix2Pix's three passes (arXiv 2211.09800, section 3.2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from framepred_ros.prediction.checkpoint import CheckpointInfo


def is_guided(info: CheckpointInfo) -> bool:
    """Whether the checkpoint is run with guidance; without it one pass is enough."""
    return (info.guidance_scale, info.image_guidance_scale) != (1.0, 1.0)


def guidance_inputs(
    current: torch.Tensor, text: torch.Tensor, empty: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The conditions of the three passes as one batch, in the pipeline's order: text and image, image only, neither.

    Args:
        current: latents of the current frames (N, C, h, w).
        text: embeddings of the instructions (N, L, D).
        empty: embedding of the empty instruction (1, L, D).

    Returns:
        latents (3 N, C, h, w) and embeddings (3 N, L, D).
    """
    import torch  # here: the rest serves the runtime without torch, too

    empty = empty.expand_as(text)
    return torch.cat([current, current, torch.zeros_like(current)]), torch.cat([text, empty, empty])


def guide(output, info: CheckpointInfo):
    """The guided output (N, C, h, w) from that of the three passes (3 N, C, h, w): equation 3. Tensors or NumPy's."""
    count = len(output) // 3
    with_text, image_only, neither = output[:count], output[count : 2 * count], output[2 * count :]
    return neither + info.guidance_scale * (with_text - image_only) + info.image_guidance_scale * (image_only - neither)
