"""A UNet moved into other latents predicts the same pictures."""

import pytest
import torch

from framepred_ros.patch_autoencoder import PatchAutoencoder
from training.small.model import build_unet
from training.small.rebasing import rebase
from training.trainer.conditions import Conditions
from training.trainer.model_sizes import UNetSize

SIZE = UNetSize(channels=(32, 32), attention=(False, True), layers=1, head_channels=16, norm_groups=8)
PAST = Conditions(history=(2,), history_channels=3)


def make_autoencoder(rotation, mean=0.0):
    """Six components that span the same patches whatever the rotation."""
    vae = PatchAutoencoder(patch_size=2, latent_channels=6)
    basis = torch.linalg.qr(torch.randn(12, 6, generator=torch.Generator().manual_seed(0)))[0].T
    vae.components.data = (rotation @ basis).reshape(6, 3, 2, 2)
    vae.std.data = torch.linspace(2.0, 0.5, 6)
    vae.mean.data += mean
    return vae


def rotation(seed, blocks=(3, 3)):
    """Orthogonal, and apart for the leading three components and the others."""
    parts = [
        torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(seed)))[0] for size in blocks
    ]
    return torch.block_diag(*parts)


@pytest.mark.parametrize("conditions", [Conditions(), PAST])
def test_the_same_change_is_predicted_in_other_latents(conditions):
    torch.manual_seed(0)
    old, new = make_autoencoder(rotation(1)), make_autoencoder(rotation(2))
    unet = build_unet(SIZE, 6, (4, 4), 16, conditions).eval()
    torch.nn.init.normal_(unet.conv_out.weight)
    frames, change, past = torch.randn(3, 1, 6, 4, 4)
    words = torch.randn(1, 4, 16)

    def predict(vae, frame, change, past):
        given = [change, frame]
        if conditions.history:
            given += [past[:, :3], torch.ones(1, 1, 4, 4)]
        return unet(torch.cat(given, dim=1), 999, words, return_dict=False)[0]

    def moved(latents):
        return new.encode(old.decode(latents).sample).latent_dist.mode()

    with torch.no_grad():
        before = old.decode(predict(old, frames, change, past)).sample
        rebase(unet, old, new, conditions)
        after = new.decode(predict(new, moved(frames), moved(change), moved(past))).sample
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


def test_another_mean_colour_is_allowed_for():
    torch.manual_seed(0)
    old, new = make_autoencoder(torch.eye(6)), make_autoencoder(torch.eye(6), mean=0.2)
    first = build_unet(SIZE, 6, (8, 8), 16)
    pixels = torch.randn(1, 3, 16, 16)
    images = old.decode(old.encode(pixels).latent_dist.mode()).sample
    with torch.no_grad():
        before = first.conv_in(torch.cat([torch.zeros(1, 6, 8, 8), old.encode(images).latent_dist.mode()], dim=1))
        rebase(first, old, new)
        after = first.conv_in(torch.cat([torch.zeros(1, 6, 8, 8), new.encode(images).latent_dist.mode()], dim=1))
    torch.testing.assert_close(after[:, :, 1:-1, 1:-1], before[:, :, 1:-1, 1:-1], atol=1e-4, rtol=1e-4)
