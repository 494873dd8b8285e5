"""From the current frame and an instruction to sampled latents: the fast ways, and diffusers' own pipeline.

All have one method, `sample`. The arithmetic is the same; the reference is there to check the fast ones against.
"""

import inspect
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Protocol

import torch

from framepred_ros.prediction.checkpoint import CheckpointInfo, starts_from_zeros
from framepred_ros.prediction.compiled_unet import CompiledUNet
from framepred_ros.prediction.conditions import Past, history_channels, horizon_labels
from framepred_ros.prediction.engines import OPENVINO_PARAMETERS, check_engine
from framepred_ros.prediction.guidance import guidance_inputs, guide, is_guided
from framepred_ros.prediction.loading import build_pipeline
from framepred_ros.prediction.recent import CACHED_INSTRUCTIONS, Recent


class Sampler(Protocol):
    """Samples latents of the future frame."""

    def sample(
        self,
        pixels: torch.Tensor,
        instructions: Sequence[str],
        steps: int,
        seed: int,
        horizons: Sequence[int] | None = None,
        past: Past | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encodes the current frames and samples what follows.

        Args:
            pixels: (N, 3, H, W) in [-1, 1], the model's dtype, device and resolution.
            instructions: N instructions.
            steps: sampling steps.
            seed: of the noise, which is the same for every frame, device and batch size.
            horizons: N horizons in steps; None: the checkpoint's own. A model of one horizon does not look at them.
            past: earlier frames, `CheckpointInfo.history` steps back, at the model's resolution; None: there are none.

        Returns:
            (N, C, h, w) each: the current frames' latents, the autoencoder's mode without its scaling factor; and the
            sampled latents in the scheduler's scale, which are the future frame's, or the change, as
            `CheckpointInfo.prediction_target` says.
        """
        ...


class FastSampler:
    """The arithmetic of `diffusers.StableDiffusionInstructPix2PixPipeline` without what a live camera need not repeat.

    Instructions are encoded once, all frames share each pass through the UNet, and guidance is one batched pass, or
    nothing where both scales are 1.
    """

    def __init__(self, vae, text_encoder, tokenizer, unet, scheduler, info: CheckpointInfo):
        self.vae, self.text_encoder, self.tokenizer, self.unet = vae, text_encoder, tokenizer, unet
        self.scheduler, self.info = scheduler, info
        self._embeddings: Recent[torch.Tensor] = Recent(CACHED_INSTRUCTIONS)

    def sample(self, pixels, instructions, steps, seed, horizons=None, past=None):
        """See `Sampler.sample`."""
        current = self.vae.encode(pixels).latent_dist.mode()
        guided = is_guided(self.info)
        embeddings = torch.cat([self.embed(instruction) for instruction in instructions])
        condition, labels = unet_conditions(self.vae, current, self.info, horizons, past)
        if guided:
            condition, embeddings = guidance_inputs(condition, embeddings, self.embed(""))
            labels = {name: torch.cat([value] * 3) for name, value in labels.items()}
        # One generator per frame, as if each were sampled alone.
        generators = [torch.Generator().manual_seed(seed) for _ in instructions]
        self.scheduler.set_timesteps(steps, device=current.device)
        latents = initial_latents(current, generators, self.scheduler, self.info, steps)
        extra = _accepted_arguments(self.scheduler.step, eta=0.0, generator=generators)
        for timestep in self.scheduler.timesteps:
            sample = torch.cat([latents] * 3) if guided else latents
            sample = torch.cat([self.scheduler.scale_model_input(sample, timestep), condition], dim=1)
            output = self.unet(sample, timestep, encoder_hidden_states=embeddings, return_dict=False, **labels)[0]
            if guided:
                output = guide(output, self.info)
            latents = self.scheduler.step(output, timestep, latents, **extra, return_dict=False)[0]
        return current, latents

    def embed(self, instruction: str) -> torch.Tensor:
        """The text encoder's output (1, length, hidden), kept for the most recent instructions."""
        return self._embeddings.get(instruction, lambda: self._encode(instruction))

    def _encode(self, instruction: str) -> torch.Tensor:
        tokens = self.tokenizer(
            instruction,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        return self.text_encoder(tokens.input_ids.to(self.text_encoder.device))[0].to(self.vae.dtype)


class OpenVinoSampler(FastSampler):
    """The fast way with the UNet compiled by OpenVINO: see `framepred_ros.prediction.openvino_unet`."""

    def __init__(self, vae, text_encoder, tokenizer, unet, scheduler, info: CheckpointInfo):
        from framepred_ros.prediction.openvino_unet import OpenVinoUNet

        super().__init__(vae, text_encoder, tokenizer, OpenVinoUNet(unet), scheduler, info)


class CompiledSampler(FastSampler):
    """The fast way with the UNet compiled by PyTorch: see `framepred_ros.prediction.compiled_unet`."""

    def __init__(self, vae, text_encoder, tokenizer, unet, scheduler, info: CheckpointInfo):
        super().__init__(vae, text_encoder, tokenizer, CompiledUNet(unet), scheduler, info)


class PipelineSampler:
    """`diffusers.StableDiffusionInstructPix2PixPipeline`, called once per frame.

    Raises:
        ValueError: the checkpoint's guidance scales are ones for which the pipeline silently leaves guidance out.
    """

    def __init__(self, vae, text_encoder, tokenizer, unet, scheduler, info: CheckpointInfo):
        scales = info.guidance_scale, info.image_guidance_scale
        if scales != (1.0, 1.0) and not (scales[0] > 1 and scales[1] >= 1):
            raise ValueError(
                f"the pipeline switches guidance off for the scales {scales[0]:g} and {scales[1]:g} of this "
                "checkpoint: it needs a guidance_scale above 1 and an image_guidance_scale of at least 1"
            )
        self.vae, self.info = vae, info
        self.pipeline = build_pipeline(vae, text_encoder, tokenizer, unet, scheduler)
        self.pipeline.set_progress_bar_config(disable=True)

    def sample(self, pixels, instructions, steps, seed, horizons=None, past=None):
        """See `Sampler.sample`."""
        current = self.vae.encode(pixels).latent_dist.mode()
        sampled = [
            self._call(image[None], latents[None], instruction, steps, seed)
            for image, latents, instruction in zip(pixels, current, instructions, strict=True)
        ]
        return current, torch.cat(sampled)

    def _call(self, pixels, current, instruction, steps, seed):
        generator = torch.Generator().manual_seed(seed)
        start = torch.zeros_like(current) if starts_from_zeros(self.info, steps) else None  # None: the pipeline's noise
        return self.pipeline(
            instruction,
            image=(pixels + 1) / 2,
            num_inference_steps=steps,
            guidance_scale=self.info.guidance_scale,
            image_guidance_scale=self.info.image_guidance_scale,
            generator=generator,
            latents=start,
            output_type="latent",
        ).images


class PlainSampler(FastSampler):
    """The reference for what the stock pipeline cannot express: one frame and one pass at a time, same modules."""

    def sample(self, pixels, instructions, steps, seed, horizons=None, past=None):
        """See `Sampler.sample`."""
        horizons = [self.info.horizon] * len(instructions) if horizons is None else horizons
        currents, sampled = [], []
        for number, (instruction, horizon) in enumerate(zip(instructions, horizons, strict=True)):
            one = slice(number, number + 1)
            before = None if past is None else Past(past.pixels[one], past.present[one])
            current = self.vae.encode(pixels[one]).latent_dist.mode()
            condition, labels = unet_conditions(self.vae, current, self.info, [horizon], before)
            currents.append(current)
            sampled.append(self._sample_one(current, condition, labels, instruction, steps, seed))
        return torch.cat(currents), torch.cat(sampled)

    def _sample_one(self, current, condition, labels, instruction, steps, seed):
        generators = [torch.Generator().manual_seed(seed)]
        self.scheduler.set_timesteps(steps, device=current.device)
        latents = initial_latents(current, generators, self.scheduler, self.info, steps)
        extra = _accepted_arguments(self.scheduler.step, eta=0.0, generator=generators)
        passes = [(condition, self.embed(instruction))]
        if is_guided(self.info):
            passes += [(condition, self.embed("")), (torch.zeros_like(condition), self.embed(""))]
        for timestep in self.scheduler.timesteps:
            scaled = self.scheduler.scale_model_input(latents, timestep)
            outputs = [
                self.unet(torch.cat([scaled, given], dim=1), timestep, text, **labels, return_dict=False)[0]
                for given, text in passes
            ]
            output = guide(torch.cat(outputs), self.info) if len(outputs) > 1 else outputs[0]
            latents = self.scheduler.step(output, timestep, latents, **extra, return_dict=False)[0]
        return latents


def make_reference_sampler(vae, text_encoder, tokenizer, unet, scheduler, info: CheckpointInfo) -> Sampler:
    """The stock pipeline, or a plain loop for a checkpoint that takes a horizon or a past: it takes neither."""
    kind = PlainSampler if info.horizons or info.history else PipelineSampler
    return kind(vae, text_encoder, tokenizer, unet, scheduler, info)


def unet_conditions(vae, current, info: CheckpointInfo, horizons: Sequence[int] | None, past: Past | None):
    """What the UNet is given besides noise, time and words: see `framepred_ros.prediction.conditions`.

    Args:
        current: latents of the current frames (N, C, h, w).

    Returns:
        the input channels behind the noisy latents' (N, C or more, h, w), and further arguments of the UNet by name.
    """
    horizons = [info.horizon] * len(current) if horizons is None else horizons
    labels = {"class_labels": horizon_labels(horizons, current.device)} if info.horizons else {}
    if not info.history:
        return current, labels
    before = current[:, None].expand(-1, len(info.history), *current.shape[1:])
    present = torch.zeros(before.shape[:2], dtype=torch.bool, device=current.device)
    if past is not None:
        present = past.present.to(current.device)
        if present.any():
            before = vae.encode(past.pixels.flatten(0, 1)).latent_dist.mode().view(before.shape)
    return torch.cat([current, history_channels(current, before, present, info.history_channels)], dim=1), labels


SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "fast": FastSampler,
    "compile": CompiledSampler,
    "openvino": OpenVinoSampler,
    "diffusers": make_reference_sampler,
}
"""By the name of the engine."""


def resolve_engine(engine: str, unet) -> str:
    """Turns "auto" into the fastest engine for a UNet: "openvino" on a CPU where it is installed, else "fast".

    Raises:
        ValueError: unknown name.
    """
    check_engine(engine)
    if engine != "auto":
        return engine
    suits = unet.device.type == "cpu" and unet.dtype == torch.float32 and unet.num_parameters() in OPENVINO_PARAMETERS
    return "openvino" if suits and find_spec("openvino") else "fast"


def initial_latents(current, generators, scheduler, info: CheckpointInfo, steps: int) -> torch.Tensor:
    """The latents (N, C, h, w) that sampling starts from, drawn on the CPU: the same on every device."""
    if starts_from_zeros(info, steps):
        return torch.zeros_like(current)
    noise = [torch.randn(current.shape[1:], generator=each, dtype=current.dtype) for each in generators]
    return torch.stack(noise).to(current.device) * scheduler.init_noise_sigma


def _accepted_arguments(function, **candidates) -> dict:
    """Schedulers' `step` methods take different arguments; the reference pipeline selects them the same way."""
    accepted = inspect.signature(function).parameters
    return {name: value for name, value in candidates.items() if name in accepted}
