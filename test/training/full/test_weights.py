import shutil

import pytest
import torch
from diffusers import DDPMScheduler, PNDMScheduler
from tiny_checkpoint import make_tiny_checkpoint, make_tiny_full_checkpoint

from training.full.weights import load_parts, load_scheduler, widen_input
from training.trainer.recipe import Diffusion
from training.trainer.weights import WeightsError, find_weights

STABLE_DIFFUSION = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


@pytest.fixture
def narrow(tmp_path):
    """A folder as of Stable Diffusion 1.5: four input channels, PNDM."""
    scheduler = PNDMScheduler(skip_prk_steps=True, set_alpha_to_one=False, **STABLE_DIFFUSION)
    return make_tiny_full_checkpoint(tmp_path / "narrow", in_channels=4, scheduler=scheduler)


def test_a_widened_unet_computes_what_the_narrow_one_did(narrow):
    from diffusers import UNet2DConditionModel

    old = UNet2DConditionModel.from_pretrained(narrow, subfolder="unet")
    assert old.conv_in.bias.abs().max() > 0  # a zero bias would hide its loss
    unet = load_parts(narrow).unet
    noisy, current, text = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.randn(2, 32, 32)
    before = old(noisy, 500, text).sample
    assert torch.equal(unet(torch.cat([noisy, torch.zeros_like(current)], dim=1), 500, text).sample, before)
    torch.testing.assert_close(unet(torch.cat([noisy, current], dim=1), 500, text).sample, before)
    assert torch.equal(unet.conv_in.bias, old.conv_in.bias) and not unet.conv_in.weight[:, 4:].any()
    assert unet.config.in_channels == 8


def test_a_wide_unet_is_left_alone(tmp_path):
    parts = load_parts(make_tiny_full_checkpoint(tmp_path / "wide"))
    before = parts.unet.conv_in
    widen_input(parts.unet, 4)
    assert parts.unet.conv_in is before and parts.unet.conv_in.weight[:, 4:].any()


def test_other_widths_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="the UNet takes 9 channels; training starts from 4"):
        load_parts(make_tiny_full_checkpoint(tmp_path / "inpainting", in_channels=9))


def test_noise_is_that_of_the_weights_and_never_clipped(narrow):
    scheduler = load_scheduler(narrow, Diffusion())
    assert isinstance(scheduler, DDPMScheduler) and not scheduler.config.clip_sample
    assert scheduler.alphas_cumprod[-1] == pytest.approx(0.00466, rel=1e-3)  # Stable Diffusion's last signal
    rescaled = load_scheduler(narrow, Diffusion(prediction_type="v_prediction", zero_terminal_snr=True))
    assert rescaled.alphas_cumprod[-1] == 0 and not rescaled.config.clip_sample
    rescaled.set_timesteps(1)
    assert rescaled.timesteps.tolist() == [999]
    clean = torch.randn(1, 4, 8, 8)
    assert torch.allclose(rescaled.step(-clean, 999, torch.randn(1, 4, 8, 8)).prev_sample, clean)


def test_a_hub_id_without_a_network_says_how_to_fetch_it():
    with pytest.raises(WeightsError, match="`hf download nobody/nothing --local-dir DIR`.*model.weights=DIR"):
        find_weights("nobody/nothing")


def test_incomplete_and_damaged_weights_are_named(narrow):
    weights = narrow / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="narrow cannot be loaded"):
        load_parts(narrow)
    shutil.rmtree(narrow / "vae")
    with pytest.raises(WeightsError, match="lacks vae/"):
        find_weights(str(narrow))


def test_a_checkpoint_of_the_small_kind_is_refused(tmp_path):
    folder = make_tiny_checkpoint(tmp_path / "small")
    with pytest.raises(WeightsError, match=f"{folder} cannot be loaded: its autoencoder is a PatchAutoencoder"):
        load_parts(folder)
