"""From latents and an instruction to sampled latents, without PyTorch, as `framepred_ros.prediction.sampling` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from framepred_ros.prediction.checkpoint import CheckpointInfo, starts_from_zeros
from framepred_ros.prediction.guidance import guide, is_guided
from framepred_ros.prediction.light.graphs import concatenated
from framepred_ros.prediction.light.noise import normal_noise
from framepred_ros.prediction.light.scheduler import DdimScheduler
from framepred_ros.prediction.recent import CACHED_INSTRUCTIONS, Recent


class LightSampler:
    """The arithmetic of `framepred_ros.prediction.sampling.FastSampler`.

    Args:
        unet: latents float32 (N, C, h, w), timestep float32 (), embeddings float32 (N, L, D) and, of a model that takes
            horizons, these float32 (N,), to its output float32 (N, C', h, w).
        embed: an instruction to its embedding float32 (1, L, D).
        scheduler: of the sampling.
        info: of the checkpoint.
    """

    def __init__(
        self,
        unet: Callable[..., np.ndarray],
        embed: Callable[[str], np.ndarray],
        scheduler: DdimScheduler,
        info: CheckpointInfo,
    ):
        self.unet, self.scheduler, self.info = unet, scheduler, info
        self._embed = embed
        self._embeddings: Recent[np.ndarray] = Recent(CACHED_INSTRUCTIONS)

    def sample(
        self,
        current: np.ndarray,
        past: np.ndarray | None,
        present: np.ndarray,
        instructions: Sequence[str],
        steps: int,
        seed: int,
        horizons: Sequence[int],
    ) -> np.ndarray:
        """Samples what follows N frames.

        Args:
            current: their latents float32 (N, C, h, w).
            past: latents (N, S, C, h, w) of the frames before, of which `present`, bool (N, S), says which are there;
                None: none is.
            instructions, steps, seed, horizons: as `sampling.Sampler.sample` takes them.

        Returns:
            float32 (N, C, h, w) in the scheduler's scale.
        """
        condition = current
        if self.info.history:
            before = history_planes(current, past, present, self.info)
            condition = np.concatenate([current, before], axis=1)
        embeddings = concatenated([self.embed(text) for text in instructions])
        labels = [np.asarray(horizons, np.float32)] if self.info.horizons else []
        guided = is_guided(self.info)
        if guided:  # text and image, image only, neither: see framepred_ros.prediction.guidance
            empty = np.broadcast_to(self.embed(""), embeddings.shape)
            condition = np.concatenate([condition, condition, np.zeros_like(condition)])
            embeddings = np.concatenate([embeddings, empty, empty])
            labels = [np.concatenate([each] * 3) for each in labels]
        latents = self._start(current, steps, seed)
        for timestep in self.scheduler.timesteps(steps):
            sample = np.concatenate([latents] * 3) if guided else latents
            sample = np.concatenate([sample, condition], axis=1)
            output = self.unet(sample, np.array(timestep, np.float32), embeddings, *labels)
            latents = self.scheduler.step(guide(output, self.info) if guided else output, timestep, latents, steps)
        return latents

    def embed(self, instruction: str) -> np.ndarray:
        """The text encoder's output (1, length, hidden), kept for the most recent instructions."""
        return self._embeddings.get(instruction, lambda: self._embed(instruction))

    def _start(self, current: np.ndarray, steps: int, seed: int) -> np.ndarray:
        """Zeros or noise, the same for every frame: see `CheckpointInfo.one_step_noise`."""
        if starts_from_zeros(self.info, steps):
            return np.zeros_like(current)
        return np.broadcast_to(normal_noise(current.shape[1:], seed), current.shape)


def history_planes(
    current: np.ndarray, past: np.ndarray | None, present: np.ndarray, info: CheckpointInfo
) -> np.ndarray:
    """The past as input channels of the UNet: `framepred_ros.prediction.conditions.history_channels` in NumPy."""
    kept = present[:, :, None, None, None].astype(current.dtype)
    now = current[:, None, : info.history_channels]
    difference = ((now if past is None else past[:, :, : info.history_channels]) - now) * kept
    planes = np.broadcast_to(kept, (*present.shape, 1, *current.shape[2:]))
    return np.concatenate([difference, planes], axis=2).reshape(len(current), -1, *current.shape[2:])
