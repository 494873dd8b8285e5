import pytest
import torch

from framepred_ros.patch_autoencoder import PatchAutoencoder


def make_autoencoder(patch_size=8, latent_channels=20) -> PatchAutoencoder:
    torch.manual_seed(0)
    vae = PatchAutoencoder(patch_size=patch_size, latent_channels=latent_channels)
    basis, _ = torch.linalg.qr(torch.randn(3 * patch_size**2, latent_channels))
    vae.components.data = basis.T.reshape(vae.components.shape).contiguous()
    vae.mean.data = torch.tensor([0.1, -0.2, 0.3])
    vae.std.data = torch.linspace(3.0, 0.1, latent_channels)
    return vae


def test_full_rank_round_trip_is_exact():
    vae = make_autoencoder(patch_size=4, latent_channels=48)
    images = torch.rand(2, 3, 8, 12) * 2 - 1
    torch.testing.assert_close(vae(images).sample, images, atol=1e-5, rtol=0)


def test_decoding_then_encoding_latents_is_exact():
    vae = make_autoencoder()
    latents = torch.randn(2, 20, 3, 5)
    images = vae.decode(latents, return_dict=False)[0]
    assert images.shape == (2, 3, 24, 40)
    torch.testing.assert_close(vae.encode(images).latent_dist.mode(), latents, atol=1e-4, rtol=0)


def test_weighted_latent_error_is_pixel_error():
    vae = make_autoencoder()
    first, second = torch.randn(2, 1, 20, 3, 5)
    pixels = (vae.decode(first).sample - vae.decode(second).sample).square().sum()
    latents = ((first - second) * vae.std[:, None, None]).square().sum()
    torch.testing.assert_close(pixels, latents, rtol=1e-4, atol=0)


def test_decoding_is_the_transposed_convolution():
    vae, latents = make_autoencoder(), torch.randn(2, 20, 3, 5)
    expected = torch.nn.functional.conv_transpose2d(
        latents * vae.std[:, None, None], vae.components, bias=vae.mean, stride=8
    )
    torch.testing.assert_close(vae.decode(latents).sample, expected)


def test_interface_is_that_of_autoencoder_kl():
    vae = make_autoencoder(patch_size=16)
    images = torch.rand(1, 3, 32, 32)
    distribution = vae.encode(images, return_dict=False)[0]
    torch.testing.assert_close(distribution.sample(), distribution.mode())
    assert torch.equal(vae.decode(distribution.mode(), return_dict=False)[0], vae.decode(distribution.mode()).sample)
    assert 2 ** (len(vae.config.block_out_channels) - 1) == 16
    assert (vae.dtype, vae.device.type, vae.config.scaling_factor) == (torch.float32, "cpu", 1.0)


def test_half_precision_files_keep_the_picture(tmp_path):
    vae = make_autoencoder()
    images = vae.decode(torch.randn(2, 20, 3, 5)).sample.clamp(-1, 1)
    expected = vae(images).sample
    vae.half().save_pretrained(tmp_path)
    loaded = PatchAutoencoder.from_pretrained(tmp_path)
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["diffusion_pytorch_model.safetensors"]
    assert (loaded(images).sample - expected).abs().max() < 2 / 255


@pytest.mark.parametrize(
    "arguments", [{"patch_size": 12}, {"patch_size": 1}, {"latent_channels": 0}, {"latent_channels": 769}]
)
def test_impossible_sizes_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        PatchAutoencoder(**arguments)


def test_image_must_be_whole_patches():
    with pytest.raises(ValueError, match="multiples of 8"):
        make_autoencoder().encode(torch.zeros(1, 3, 20, 24))
