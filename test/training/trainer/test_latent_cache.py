import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from moving_squares import make_moving_squares
from tiny_checkpoint import make_tiny_full_checkpoint

from framepred_ros.patch_autoencoder import PatchAutoencoder
from training.dataset.index import load_split
from training.full.weights import load_parts
from training.trainer import latent_cache
from training.trainer.latent_cache import cache_embeddings, cache_latents, read_pixels

SIZE = (64, 96)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    rows = load_split(make_moving_squares(tmp_path_factory.mktemp("squares")), "train")
    return [row.input_image for row in rows[:5]]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return load_parts(make_tiny_full_checkpoint(tmp_path_factory.mktemp("weights") / "tiny"))


def test_posterior_of_frames_and_of_their_mirror_images(tmp_path, frames, parts):
    cached = cache_latents(tmp_path, frames, parts.vae, SIZE, np.float32, mirrored=True)
    assert cached.shape == (5, 2, 8, 8, 12) and isinstance(cached, np.memmap)
    pixels = read_pixels(frames[3:4], SIZE)
    for variant, image in enumerate((pixels, pixels.flip(-1))):
        posterior = parts.vae.encode(image).latent_dist
        expected = torch.cat([posterior.mean, posterior.std], dim=1)[0].detach()
        torch.testing.assert_close(torch.tensor(cached[3, variant]), expected, atol=1e-5, rtol=1e-5)


def test_deterministic_autoencoders_have_no_deviation(tmp_path, frames):
    vae = PatchAutoencoder(patch_size=8, latent_channels=6)
    cached = cache_latents(tmp_path, frames, vae, SIZE)
    assert cached.shape == (5, 1, 6, 8, 12) and cached.dtype == np.float16


def test_embeddings_are_the_text_encoders_and_the_empty_one_is_among_them(tmp_path, parts):
    texts = ["stack the blocks", ""]
    cached = cache_embeddings(tmp_path, texts, parts.tokenizer, parts.text_encoder, np.float32)
    tokens = parts.tokenizer("", padding="max_length", max_length=32, return_tensors="pt").input_ids
    torch.testing.assert_close(torch.tensor(cached[1:]), parts.text_encoder(tokens)[0].detach())
    assert not np.allclose(cached[0], cached[1])


def test_a_cache_is_used_again_only_for_the_same_weights_and_data(tmp_path, frames, parts):
    def files():
        return {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    cache_latents(tmp_path, frames, parts.vae, SIZE)
    before = files()
    cache_latents(tmp_path, frames, parts.vae, SIZE)
    assert files() == before
    cache_latents(tmp_path, frames[:3], parts.vae, SIZE)
    cache_latents(tmp_path, frames, parts.vae, SIZE, mirrored=True)
    cache_latents(tmp_path, frames, parts.vae, SIZE, np.float32)
    cache_latents(tmp_path, frames, AutoencoderKL.from_config(parts.vae.config), SIZE)
    assert len(files()) == 5


def test_a_thrown_away_cache_is_made_again(tmp_path, frames, parts):
    first = np.array(cache_latents(tmp_path, frames, parts.vae, SIZE))
    for path in tmp_path.iterdir():
        path.unlink()
    assert np.array_equal(cache_latents(tmp_path, frames, parts.vae, SIZE), first)


def test_frames_loaded_ahead_stay_in_order(tmp_path, frames):
    vae = PatchAutoencoder(patch_size=8, latent_channels=6)
    five, many = (np.array(cache_latents(tmp_path, frames * times, vae, SIZE)) for times in (1, 100))
    assert np.array_equal(many, np.tile(five, (100, 1, 1, 1, 1)))


def test_few_chunks_are_loaded_ahead(monkeypatch):
    monkeypatch.setattr(latent_cache, "MOST_LOADERS", 2)
    loaded = []
    ahead = latent_cache._ahead(loaded.append, range(100))
    next(ahead)
    ahead.close()
    assert set(loaded) <= {0, 1, 2}


def test_an_interrupted_cache_leaves_nothing(tmp_path, frames, parts):
    with pytest.raises(ValueError, match="missing, or not a readable picture"):
        cache_latents(tmp_path, [*frames * 8, _unreadable(tmp_path)], parts.vae, SIZE)
    assert not list(tmp_path.glob("*.npy")) and not list(tmp_path.glob(".*.tmp"))


def _unreadable(folder):
    path = folder / "broken.jpg"
    path.write_bytes(b"no picture")
    return path
