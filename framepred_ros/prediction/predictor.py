"""FramePredictor: a camera frame and an instruction in, the frame `horizon` steps later out. No ROS and no torch in it.

`framepred_ros.prediction.torch_predictor` and `framepred_ros.prediction.light.predictor` are the two ways to run one.
"""

from __future__ import annotations

import math
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from framepred_ros.prediction.checkpoint import CheckpointInfo, read_checkpoint_info, resolve_checkpoint
from framepred_ros.prediction.engines import check_engine

if TYPE_CHECKING:
    import torch

    from framepred_ros.prediction.imaging import Imaging

SMALLEST_SIDE = 64


class NonFiniteOutput(ArithmeticError):
    """A model's output holds NaN or infinite values, so that there is nothing to show."""


class FramePredictor(ABC):
    """Predicts the camera frame `horizon` steps ahead from the current frame and an instruction.

    Made by `from_pretrained`, which chooses what runs it: PyTorch, or for a small checkpoint on a CPU OpenVINO and
    NumPy without PyTorch. Pictures are the same, but for a grey level here and there. What moves is decoded, and the
    camera's own pixels are kept where nothing does. Calls from several threads take turns.

    Attributes:
        info: the checkpoint's settings (`framepred_ros.prediction.checkpoint.CheckpointInfo`).
        device: what the model runs on; `str()` gives "cpu", "cuda:0", ...
        engine: how it runs; never "auto". Those that compile keep the UNet's weights as they were at the start.
        tokenizer: of instructions, with the interface of transformers' tokenizers as far as a single text goes.
    """

    info: CheckpointInfo
    device: Any
    engine: str
    tokenizer: Any
    imaging: Imaging
    _lock: threading.Lock

    @classmethod
    def from_pretrained(
        cls,
        folder_or_id: str | os.PathLike,
        device: str = "auto",
        dtype: torch.dtype | None = None,
        engine: str = "auto",
        guidance_scale: float | None = None,
        image_guidance_scale: float | None = None,
        threads: int | None = None,
        niceness: int = 0,
    ) -> FramePredictor:
        """Loads a checkpoint folder, or a Hugging Face hub id of InstructPix2Pix weights.

        Args:
            folder_or_id: a folder in diffusers' layout, with or without `framepred.json`, or "owner/name".
            device: "cpu", "cuda", "cuda:1", ...; "auto" takes a CUDA device when there is one.
            dtype: float16 on CUDA and float32 on CPU when None.
            engine: "auto" takes the fastest one that is there, see `framepred_ros.prediction.engines`; "fast" needs
                PyTorch alone; "openvino", faster on a CPU, needs OpenVINO, and seconds when it sees weights for the
                first time; "compile", by PyTorch, is slow at first with each batch size, see
                `framepred_ros.prediction.compiled_unet`; "diffusers" is the stock pipeline.
            guidance_scale, image_guidance_scale: weights of the instruction and of the current frame, 1 for none; the
                checkpoint's when None.
            threads: how many the model computes with on a CPU; None: as many as PyTorch would take by itself. PyTorch
                keeps them for all that the calling thread does.
            niceness: by how much the calling thread gives way to others from now on, and with it those that the model
                starts, 0 to 19; only on Linux. Not before everything is imported.

        Raises:
            FileNotFoundError: no such folder, or the hub does not answer.
            ValueError: the folder's files are not valid, the device is not there, or the engine is unknown.
            ImportError: what it takes to run the checkpoint is not installed.
        """
        check_engine(engine)
        folder = resolve_checkpoint(folder_or_id)
        scales = {"guidance_scale": guidance_scale, "image_guidance_scale": image_guidance_scale}
        given: dict[str, Any] = {name: scale for name, scale in scales.items() if scale is not None}
        info = replace(read_checkpoint_info(folder), **given)
        # The one place where it is decided who predicts.
        from framepred_ros.prediction.light.choice import NotLight, check_torch
        from framepred_ros.prediction.light.predictor import open_light

        try:
            return open_light(folder, info, device, dtype, engine, threads, niceness)
        except NotLight as reason:
            check_torch(folder, reason)
        from framepred_ros.prediction.torch_predictor import open_torch

        return open_torch(folder, info, device, dtype, engine, threads, niceness)

    @property
    def horizon(self) -> int:
        """How many frames ahead a prediction is."""
        return self.info.horizon

    @property
    def step_duration(self) -> float | None:
        """Seconds from one frame to the next in training, or None when the checkpoint does not say."""
        return self.info.step_duration

    @property
    def horizons(self) -> tuple[int, int]:
        """The shortest and the longest horizon that can be asked for, in steps."""
        return self.info.horizons or (self.info.horizon, self.info.horizon)

    @property
    def history(self) -> tuple[int, ...]:
        """How many steps before the current frame those frames lie that a prediction may also be given."""
        return self.info.history

    def predict(
        self,
        image: np.ndarray,
        instruction: str,
        steps: int | None = None,
        seed: int | None = None,
        *,
        horizon: int | None = None,
        history: Mapping[int, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Predicts the frame `horizon` steps after `image`.

        Args:
            image: uint8 RGB (H, W, 3), H and W at least 64.
            instruction: what the robot is doing, in words.
            steps: sampling steps; the checkpoint's default when None. One step of a model that was trained for it gives
                the conditional mean.
            seed: seed of the noise; None is 0, so that equal inputs give equal frames and a video does not
                flicker. Without effect where one step starts without noise (`info.one_step_noise`).
            horizon: how many steps ahead, within `horizons`; the checkpoint's `horizon` when None.
            history: what the camera saw before, by how many steps ago, each an image of the size of `image`; any of the
                checkpoint's `history` may be missing.

        Returns:
            uint8 RGB (H, W, 3), the size of `image`.

        Raises:
            ValueError: wrong dtype or shape, empty instruction, steps or horizon out of range, or a past that the
                checkpoint does not take; the message says which.
            NonFiniteOutput: NaN or infinity in the model's output: damaged weights, or an overflow in half precision.
        """
        check_instruction(instruction)
        horizons, histories = [self.horizon if horizon is None else horizon], [history or {}]
        return self.predict_batch(
            [image], [instruction], steps=steps, seed=seed, horizons=horizons, histories=histories
        )[0]

    def predict_clip(
        self,
        image: np.ndarray,
        instruction: str,
        horizons: Sequence[int],
        steps: int | None = None,
        seed: int | None = None,
        *,
        history: Mapping[int, np.ndarray] | None = None,
    ) -> list[np.ndarray]:
        """Predicts several moments of one future in one pass; each frame is what `predict` gives for that horizon.

        Args:
            horizons: how many steps ahead each frame is.
            image, instruction, steps, seed, history: as in `predict`.

        Raises:
            ValueError: as in `predict`.
        """
        count = len(horizons)
        return self.predict_batch(
            [image] * count, [instruction] * count, steps, seed, horizons=horizons, histories=[history or {}] * count
        )

    def predict_batch(
        self,
        images: Sequence[np.ndarray],
        instructions: Sequence[str | None],
        steps: int | None = None,
        seed: int | None = None,
        *,
        horizons: Sequence[int] | None = None,
        histories: Sequence[Mapping[int, np.ndarray]] | None = None,
    ) -> list[np.ndarray]:
        """Predicts for several frames in one pass; each result is what `predict` gives for that frame.

        Args:
            images: uint8 RGB (H, W, 3) each; sizes may differ.
            instructions: one per image; None predicts without words, as the model learned it from pairs whose
                instruction was dropped.
            steps, seed: as in `predict`; every frame starts from the same noise.
            horizons, histories: one per image, as in `predict`; the checkpoint's `horizon` and no past when None.

        Raises:
            ValueError: as in `predict`, or when the counts differ.
        """
        steps = self.check_steps(steps)
        horizons = [self.horizon] * len(images) if horizons is None else list(horizons)
        histories = [{}] * len(images) if histories is None else list(histories)
        for name, given in (("instructions", instructions), ("horizons", horizons), ("histories", histories)):
            if len(images) != len(given):
                raise ValueError(f"{len(images)} images but {len(given)} {name}")
        for image, instruction, horizon, history in zip(images, instructions, horizons, histories, strict=True):
            check_image(image)
            if instruction is not None:
                check_instruction(instruction)
            self.info.check_horizon(horizon)
            self._check_history(history)
        if not images:
            return []
        words = [text or "" for text in instructions]
        with self._lock, self._computing():
            current, predicted = self._sample(images, words, steps, seed or 0, horizons, histories)
            return self._render(images, current, predicted)

    def reconstruct(self, image: np.ndarray) -> np.ndarray:
        """The autoencoder's round trip of a frame: the ceiling of what plain decoding can reach.

        Args:
            image: uint8 RGB (H, W, 3), H and W at least 64.

        Returns:
            uint8 RGB (H, W, 3), decoded at the model's resolution and resized back.
        """
        check_image(image)
        with self._lock, self._computing():
            (decoded,) = self._decode(self._encode([image]))
            return self.imaging.show(decoded, [image.shape[:2]])[0]

    # What the ways to run a model differ in; arrays are NumPy's or tensors, float32 on a CPU --------------------

    @property
    @abstractmethod
    def scaling_factor(self) -> float:
        """By which the autoencoder's latents are multiplied for the UNet."""

    @property
    @abstractmethod
    def longest_sampling(self) -> int:
        """The most sampling steps that the scheduler knows."""

    @abstractmethod
    def _computing(self) -> AbstractContextManager:
        """What holds while the model computes."""

    @abstractmethod
    def _encode(self, images: Sequence[np.ndarray]) -> Any:
        """Latents (N, C, h, w) of frames, uint8 RGB (H, W, 3) each."""

    @abstractmethod
    def _sample(
        self,
        images: Sequence[np.ndarray],
        words: Sequence[str],
        steps: int,
        seed: int,
        horizons: Sequence[int],
        histories: Sequence[Mapping[int, np.ndarray]],
    ) -> tuple[Any, Any]:
        """Latents (N, C, h, w) of the frames and the sampled ones, as `sampling.Sampler.sample` returns them."""

    @abstractmethod
    def _decode(self, *latents: Any) -> Sequence[Any]:
        """Pictures (N, 3, H, W) in 0..255 at the model's resolution, of each of the latents (N, C, h, w)."""

    # Common to all ----------------------------------------------------------------------------------------------

    def _render(self, images: Sequence[np.ndarray], current: Any, predicted: Any) -> list[np.ndarray]:
        predicted = predicted / self.scaling_factor
        channels = self.info.difference_channels
        if self.info.prediction_target == "difference":
            predicted = predicted + coarse_channels(current, channels)
        options = self.info.compositing
        if options is None:
            (decoded,) = self._decode(predicted)
            return self.imaging.show(decoded, [image.shape[:2] for image in images])
        # Motion shows in the channels that are predicted as a change: in the others a still scene is not quite still.
        latents = [predicted, coarse_channels(current, channels)]
        if channels is not None:
            latents.append(coarse_channels(predicted, channels))
        future, before, *rest = self._decode(*latents)
        after = rest[0] if rest else future
        return self.imaging.composite(images, future, before, after, options)

    def check_steps(self, steps: int | None) -> int:
        """Returns how many sampling steps to take; None is the checkpoint's default.

        Raises:
            ValueError: not an integer from 1 to the length of the scheduler's schedule.
        """
        steps = self.info.steps if steps is None else steps
        largest = self.longest_sampling
        if not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= largest:
            raise ValueError(f"steps must be an integer between 1 and {largest}, not {steps!r}")
        return steps

    def _check_history(self, history: Mapping[int, np.ndarray]) -> None:
        for steps, image in history.items():
            if steps not in self.history:
                takes = f"frames {', '.join(map(str, self.history))} steps back" if self.history else "no past"
                raise ValueError(f"history has a frame {steps!r} steps back, but this checkpoint takes {takes}")
            check_image(image)


def coarse_channels(latents, channels: int | None):
    """`latents` (N, C, h, w) with all but the leading `channels` set to zero, which is their mean; None keeps all.

    A prediction is the change relative to this part of the current frame (`CheckpointInfo.difference_channels`).
    Tensor or NumPy array, as given.
    """
    if channels is None:
        return latents
    kept = 1 * latents
    kept[:, channels:] = 0
    return kept


def check_finite(total: float, dtype: str) -> None:
    """Raises NonFiniteOutput unless the sum of a model's output, of the named type, is finite."""
    if not math.isfinite(total):
        raise NonFiniteOutput(
            f"the model's output is not finite (NaN or infinite) in {dtype}: its weights are damaged, or too large for "
            "half precision; try dtype float32 (a CPU's: device cpu)"
        )


def check_image(image: np.ndarray) -> None:
    """Raises ValueError unless `image` is uint8 RGB (H, W, 3) with H and W at least 64."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"image must be a NumPy array of uint8, not {kind}")
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < SMALLEST_SIDE:
        raise ValueError(f"image must have shape (H, W, 3) with H and W at least {SMALLEST_SIDE}, not {image.shape}")


def check_instruction(instruction: str) -> None:
    """Raises ValueError unless `instruction` is text with at least one visible character."""
    if not isinstance(instruction, str) or not instruction.strip():
        raise ValueError(f"instruction must be non-empty text, not {instruction!r}")


def check_resolution(info: CheckpointInfo, factor: int) -> None:
    """Raises ValueError unless the model's resolution can be divided by that of a latent, in pixels."""
    if any(side % factor for side in info.resolution):
        raise ValueError(
            f"resolution {list(info.resolution)} in framepred.json must be multiples of the autoencoder's {factor}"
        )


def distinct(images: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[int]]:
    """The different ones of some arrays, and the place of each among them: moments of a clip share frame and past.

    Arrays are the same only if they are one object.
    """
    different: list[np.ndarray] = []
    places: dict[int, int] = {}
    for image in images:
        if places.setdefault(id(image), len(different)) == len(different):
            different.append(image)
    return different, [places[id(image)] for image in images]


def complete_histories(
    images: Sequence[np.ndarray], histories: Sequence[Mapping[int, np.ndarray]], steps: Sequence[int]
) -> tuple[list[np.ndarray], np.ndarray]:
    """What the cameras saw before, as `framepred_ros.prediction.conditions.Past` has it.

    Returns:
        N times S frames, the current one for each that is missing, and which of them are there, bool (N, S).
    """
    present = np.array([[back in history for back in steps] for history in histories])
    frames = [history.get(back, image) for image, history in zip(images, histories, strict=True) for back in steps]
    return frames, present
