"""Tokenizer, autoencoder fitting, model and loss of the small model."""

import numpy as np
import pytest
import torch
from moving_squares import make_moving_squares

from framepred_ros.patch_autoencoder import PatchAutoencoder
from training.dataset.index import load_split
from training.small.autoencoder import fit_patch_autoencoder
from training.small.loss import VelocityLoss, add_noise
from training.small.model import TextEncoderSize, UNetSize, build_scheduler, build_text_encoder, build_unet
from training.small.tokenizer import train_tokenizer
from training.trainer.latent_cache import read_pixels
from training.trainer.models import Loss
from training.trainer.sampler import draw_noise

SIZE = (64, 96)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"), size=SIZE)


@pytest.fixture(scope="module")
def rows(dataset):
    return load_split(dataset, "train")


@pytest.fixture(scope="module")
def vae(rows):
    return fit_patch_autoencoder([(row.input_image, row.edited_image) for row in rows[::4]], SIZE, 8, 24, 0.1)


def noised(clean: torch.Tensor, options: Loss):
    """The clean latents with the noise of samples 0 to N."""
    scheduler = build_scheduler()
    drawn = draw_noise(np.arange(len(clean)), clean.shape[1:], 1000, options.last_timestep_fraction)
    return add_noise(clean, drawn, scheduler, options)


def test_tokenizer_tells_unseen_words_apart(tmp_path):
    tokenizer = train_tokenizer(["stack the red block", "hand over the block"], merges=50, max_length=16)
    known, unseen, other = (tokenizer(text).input_ids for text in ("stack the block", "öffne die tür", "über alles"))
    assert len(known) == 5  # start, three whole words, end
    assert unseen != other
    assert all(token not in tokenizer.all_special_ids for token in unseen[1:-1])
    tokenizer.save_pretrained(tmp_path)
    loaded = type(tokenizer).from_pretrained(tmp_path)
    assert loaded("Hand over öffne").input_ids == tokenizer("hand over öffne").input_ids
    assert loaded.model_max_length == 16


def test_autoencoder_components_are_orthonormal_and_latents_normalised(vae, rows):
    flat = vae.components.flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(24), atol=1e-4, rtol=0)
    assert torch.all(vae.std[:-1] >= vae.std[1:])


def test_unweighted_fit_is_plain_pca(rows):
    """Against an eigendecomposition of all patches at once."""
    chosen = rows[::8]
    vae = fit_patch_autoencoder([(row.input_image, row.edited_image) for row in chosen], SIZE, 8, 6, 1.0)
    images = read_pixels([path for row in chosen for path in (row.input_image, row.edited_image)], SIZE)
    patches = torch.nn.functional.unfold(images, 8, stride=8).transpose(1, 2).flatten(0, 1).double()
    centred = patches - images.mean(dim=(0, 2, 3)).double().repeat_interleave(64)
    variances = torch.linalg.eigvalsh(centred.T @ centred / len(centred)).flip(0)[:6]
    torch.testing.assert_close(vae.std.double().square(), variances, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(vae.mean, images.mean(dim=(0, 2, 3)), atol=1e-5, rtol=0)


def test_favouring_motion_decodes_what_moves_better(rows):
    pairs = [(row.input_image, row.edited_image) for row in rows[::4]]
    errors = []
    for still_weight in (1.0, 0.01):
        vae = fit_patch_autoencoder(pairs, SIZE, 8, 8, still_weight)
        now, future = (read_pixels([pair[side] for pair in pairs], SIZE) for side in (0, 1))
        moved = ((now - future).abs().mean(dim=1, keepdim=True) > 0.2).expand_as(now)
        errors.append(float((vae(future).sample - future)[moved].square().mean()))
    assert errors[1] < errors[0]


def test_schedule_ends_at_pure_noise_and_one_step_returns_the_clean_sample():
    scheduler = build_scheduler()
    assert scheduler.alphas_cumprod[-1] == 0
    clean = torch.randn(4, 3, 5, 5)
    batch = noised(clean, Loss(last_timestep_fraction=1.0))
    assert batch.at_last.all()
    torch.testing.assert_close(batch.velocity, -clean)
    scheduler.set_timesteps(1)
    (timestep,) = scheduler.timesteps
    torch.testing.assert_close(scheduler.step(batch.velocity, timestep, batch.noisy).prev_sample, clean)


@pytest.mark.parametrize("noise", [False, True])
def test_noise_at_the_last_timestep_is_optional_and_elsewhere_untouched(noise):
    options = Loss(last_timestep_fraction=0.5, last_timestep_noise=noise)
    batch = noised(torch.ones(64, 3, 5, 5), options)
    assert 10 < batch.at_last.sum() < 54
    assert bool(batch.noisy[batch.at_last].any()) == noise
    torch.testing.assert_close(batch.velocity[batch.at_last], -torch.ones(int(batch.at_last.sum()), 3, 5, 5))
    assert batch.noisy[~batch.at_last].std() > 0.1


def test_a_new_unet_predicts_no_change():
    unet = build_unet(UNetSize(channels=(32, 32), attention=(False, True), norm_groups=16), 6, (4, 6), 32)
    output = unet(torch.randn(2, 12, 4, 6), 999, torch.randn(2, 7, 32)).sample
    assert output.shape == (2, 6, 4, 6) and output.abs().max() == 0


def test_odd_latent_sizes_are_fine():
    """15x20, from 240x320 in patches of 16, is not divisible by four."""
    unet = build_unet(UNetSize(channels=(32, 32, 32), attention=(False, False, True), norm_groups=16), 6, (15, 20), 32)
    assert unet(torch.randn(1, 12, 15, 20), 999, torch.randn(1, 7, 32)).sample.shape == (1, 6, 15, 20)


def test_text_encoder_tells_instructions_apart():
    tokenizer = train_tokenizer(["push it left", "push it right"])
    encoder = build_text_encoder(tokenizer, TextEncoderSize(hidden=32, layers=1, heads=2)).eval()
    tokens = tokenizer(["push it left", "push it right"], padding="max_length", return_tensors="pt").input_ids
    left, right = encoder(tokens)[0]
    assert left.shape == (32, 32) and not torch.allclose(left, right)


@pytest.mark.parametrize("field, size", [
    ("attention", {"attention": (True,)}),
    ("norm_groups", {"norm_groups": 48}),
    ("head_channels", {"head_channels": 48}),
])  # fmt: skip
def test_impossible_unets_are_refused(field, size):
    with pytest.raises(ValueError, match=field):
        UNetSize(**size)


def test_squared_loss_at_the_last_timestep_is_pixel_error(vae):
    loss = VelocityLoss(vae, Loss(channel_weight_power=2.0))
    current, future, guess = (torch.randn(2, 24, 8, 12) for _ in range(3))
    batch = noised(future - current, Loss(last_timestep_fraction=1.0))
    pixels = [vae.decode(current + change).sample for change in (future - current, guess)]
    squared = float((pixels[0] - pixels[1]).square().mean())
    value = float(loss(-guess, batch))
    assert value * float(vae.std.square().sum()) / 192 == pytest.approx(squared, rel=1e-3)
    assert float(loss.one_step_psnr(-guess, batch)) == pytest.approx(10 * np.log10(4 / squared), abs=1e-2)


def test_absolute_loss_is_measured_in_pixels(vae):
    loss = VelocityLoss(vae, Loss(l1_weight=1.0))
    plain = VelocityLoss(vae, Loss())
    clean, guess = torch.randn(2, 2, 24, 8, 12)
    batch = noised(clean, Loss(last_timestep_fraction=1.0))
    absolute = (vae.decode(clean).sample - vae.decode(guess).sample).abs().mean()
    scale = (vae.std.square().sum() / 192).sqrt()
    assert float(loss(-guess, batch) - plain(-guess, batch)) == pytest.approx(float(absolute / scale), rel=1e-3)


def test_the_gradient_of_the_absolute_loss_is_that_of_the_decoded_error(vae):
    loss, plain = VelocityLoss(vae, Loss(l1_weight=1.0)), VelocityLoss(vae, Loss())
    clean, guess = torch.randn(2, 2, 24, 8, 12)
    guess.requires_grad_()
    batch = noised(clean, Loss(last_timestep_fraction=1.0))
    scale = (vae.std.square().sum() / 192).sqrt()
    decoded = (vae.decode(clean).sample - vae.decode(guess).sample).abs().mean() / scale
    (expected,) = torch.autograd.grad(decoded, guess)
    (gradient,) = torch.autograd.grad(loss(-guess, batch) - plain(-guess, batch), guess)
    torch.testing.assert_close(gradient, expected)


def test_still_patches_weigh_less_in_both_losses_and_the_mean_weight_is_one(vae):
    torch.manual_seed(0)
    current, future, guess = torch.zeros(2, 24, 8, 12), torch.zeros(2, 24, 8, 12), torch.randn(2, 24, 8, 12)
    future[0, :, :4] = torch.randn(24, 4, 12)  # a quarter of the patches changes
    batch = noised(future - current, Loss(last_timestep_fraction=1.0))
    for l1_weight in (0.0, 1.0):
        plain = VelocityLoss(vae, Loss(l1_weight=l1_weight))
        loss = VelocityLoss(vae, Loss(l1_weight=l1_weight, still_weight=0.1))
        assert plain.patch_weights(current, future) is None
        patches = loss.patch_weights(current, future)
        assert patches.shape == (2, 1, 8, 12) and float(patches.mean()) == pytest.approx(1)
        assert (patches[0, :, :4] == patches.max()).all() and (patches > patches.min()).sum() == 4 * 12
        assert float(patches.max() / patches.min()) == pytest.approx(10)
        only = -guess.clone()
        only[0, :, :4] = -future[0, :, :4]  # right where something changes
        assert loss(only, batch, patches) < plain(only, batch)
        everywhere = -future + 0.3
        torch.testing.assert_close(loss(everywhere, batch, patches), plain(everywhere, batch), rtol=1e-4, atol=1e-6)


def test_a_patch_autoencoder_without_weights_still_has_orthonormal_components():
    flat = PatchAutoencoder(patch_size=4, latent_channels=5).components.flatten(1)
    assert torch.equal(flat @ flat.T, torch.eye(5))
