import shutil

import pytest
import torch
from diffusers import DDPMScheduler, PNDMScheduler
from tiny_checkpoint import make_tiny_checkpoint, make_tiny_full_checkpoint

from training.full.weights import load_parts, load_scheduler, widen_unet
from training.trainer.conditions import Conditions
from training.trainer.models import Diffusion
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
    assert widen_unet(parts.unet, 4, Conditions()) is parts.unet and parts.unet.conv_in.weight[:, 4:].any()


def test_a_unet_with_horizon_and_past_computes_at_first_what_it_did(tmp_path):
    folder = make_tiny_full_checkpoint(tmp_path / "wide")
    old, conditions = load_parts(folder).unet, Conditions(horizons=(1, 100), history=(10, 25))
    unet = load_parts(folder, conditions).unet
    assert unet.config.in_channels == conditions.input_channels(4) == 8 + 2 * 5
    sample, text, past = torch.randn(2, 8, 8, 8), torch.randn(2, 32, 32), torch.zeros(2, 10, 8, 8)
    before = old(sample, 500, text).sample
    for horizon in (1.0, 100.0):
        given = torch.cat([sample, past], dim=1), 500, text
        assert torch.equal(unet(*given, class_labels=torch.full((2,), horizon)).sample, before)
    new = torch.cat([sample, torch.randn_like(past)], dim=1), 500, text
    torch.testing.assert_close(unet(*new, class_labels=torch.ones(2)).sample, before)


def test_a_unet_that_takes_more_than_the_recipe_says_is_refused(tmp_path):
    folder = make_tiny_full_checkpoint(tmp_path, horizons=(1, 100), history=(10,))
    with pytest.raises(WeightsError, match="the UNet takes 13 channels"):
        load_parts(folder, Conditions())
    with pytest.raises(WeightsError, match="model.conditions say 13 channels; give the recipe the checkpoint's"):
        load_parts(folder, Conditions(history=(10,)))


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
