"""The objective beside the reference step from pixels, and its parts beside the published formulas."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from diffusers.training_utils import compute_snr
from tiny_checkpoint import INSTRUCTIONS, make_tiny_full_checkpoint

from benchmarks.reference_step import encode, reference_loss
from training.full.objective import Batch, make_denoising, timestep_weights, weighted_loss
from training.full.weights import load_parts, load_scheduler
from training.trainer.models import Diffusion
from training.trainer.sampler import draw_noise

V_PREDICTION = {"prediction_type": "v_prediction", "zero_terminal_snr": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_full_checkpoint(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture(scope="module")
def parts(folder):
    return load_parts(folder)


@pytest.fixture(scope="module")
def pixels():
    return torch.rand(2, 6, 3, 64, 96, generator=torch.Generator().manual_seed(3)) * 2 - 1


def cached(parts, pixels, noise) -> Batch:
    """What the caches hold of these frames."""
    now, future = (parts.vae.encode(side).latent_dist for side in pixels)
    text = encode(parts, list(INSTRUCTIONS) * 2)
    return Batch(future.mean, future.std, now.mean, now.mean, None, text, encode(parts, [""]), noise)


def gradients(loss, unet):
    return torch.autograd.grad(loss, [parameter for parameter in unet.parameters() if parameter.requires_grad])


@pytest.mark.parametrize("dropout", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("options", [{}, V_PREDICTION], ids=["epsilon", "v_prediction"])
def test_loss_and_gradients_are_the_reference_steps(folder, parts, pixels, options, dropout):
    diffusion = Diffusion(conditioning_dropout=dropout, **options)
    scheduler = load_scheduler(folder, diffusion)
    noise = draw_noise(np.arange(6), (4, 8, 12), 1000, 0.0)
    expected = reference_loss(parts, scheduler, *pixels, list(INSTRUCTIONS) * 2, noise, dropout)
    denoising = make_denoising(cached(parts, pixels, noise), scheduler, parts.vae.config.scaling_factor, diffusion)
    predicted = parts.unet(denoising.sample, denoising.timesteps, denoising.text).sample
    loss = weighted_loss(predicted, denoising)
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    for ours, theirs in zip(gradients(loss, parts.unet), gradients(expected, parts.unet), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_the_condition_is_the_pipelines(folder, parts, pixels):
    """The latents that the stock pipeline feeds the UNet for the current frame: the mode, not scaled."""
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(folder, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    seen = []
    pipeline.unet.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0][:, 4:]))
    pipeline("stack", image=(pixels[0][:1] + 1) / 2, num_inference_steps=1, guidance_scale=1.0, output_type="latent")
    noise = draw_noise(np.arange(6), (4, 8, 12), 1000, 0.0)
    batch = cached(parts, pixels, noise)
    diffusion = Diffusion(conditioning_dropout=0.0)
    denoising = make_denoising(batch, load_scheduler(folder, diffusion), 0.18215, diffusion)
    torch.testing.assert_close(denoising.sample[:1, 4:], seen[0])


def test_each_kind_of_dropout_has_the_given_probability():
    noise = draw_noise(np.arange(5000), (1, 1, 1), 1000, 0.0)
    ones = torch.ones(5000, 1, 1, 1)
    conditions = noise.drop_conditions(torch.ones(5000, 1, 1), torch.zeros(1, 1, 1), ones, 0.1)
    text, image = (kept.flatten().bool() for kept in conditions)
    for kind in (~text & image, ~text & ~image, text & ~image):
        assert abs(kind.float().mean() - 0.1) < 0.015


@pytest.mark.parametrize("prediction_type, offset", [("epsilon", 0), ("v_prediction", 1)])
def test_min_snr_weights_are_those_of_diffusers(folder, prediction_type, offset):
    options = Diffusion(prediction_type=prediction_type, min_snr_gamma=5.0)
    scheduler, timesteps = load_scheduler(folder, options), torch.arange(1000)
    ratio = compute_snr(scheduler, timesteps)
    expected = ratio.clamp(max=5.0) / (ratio + offset)
    torch.testing.assert_close(timestep_weights(timesteps, scheduler, options), expected, atol=0, rtol=1e-3)


def test_the_last_timestep_of_pure_noise_keeps_its_weight(folder):
    options = Diffusion(min_snr_gamma=5.0, **V_PREDICTION)
    weights = timestep_weights(torch.tensor([998, 999]), load_scheduler(folder, options), options)
    assert weights[1] == 1 and 0 < weights[0] < 0.01
