import numpy as np
import pytest
import torch
from tiny_checkpoint import make_tiny_checkpoint, make_tiny_full_checkpoint

from framepred_ros import FramePredictor
from framepred_ros.openvino_unet import CACHE_VARIABLE, OpenVinoUNet, cache_folder

openvino = pytest.importorskip("openvino")

INSTRUCTIONS = ["hit the block with the hammer", "stack the black block on the red block"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def make_images() -> list[np.ndarray]:
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    return [noise[0], np.repeat(noise[1], 2, axis=1)]


@pytest.mark.parametrize("steps", [1, 3])
def test_it_predicts_what_pytorch_does(tmp_path, steps):
    for folder in (
        make_tiny_checkpoint(tmp_path / "small", one_step_noise=False, difference_channels=3),
        make_tiny_full_checkpoint(tmp_path / "full", guidance_scale=4.0, image_guidance_scale=1.5),
    ):
        torch_engine, engine = (FramePredictor.from_pretrained(folder, "cpu", engine=e) for e in ("fast", "openvino"))
        expected = torch_engine.predict_batch(make_images(), INSTRUCTIONS, steps=steps, seed=3)
        for frame, other in zip(engine.predict_batch(make_images(), INSTRUCTIONS, steps, 3), expected, strict=True):
            assert np.abs(frame.astype(int) - other).max() <= 1


def test_other_sizes_and_batches_than_the_traced_ones_agree(tmp_path):
    unet = FramePredictor.from_pretrained(make_tiny_checkpoint(tmp_path), "cpu").unet
    compiled = OpenVinoUNet(unet)
    for batch, height, width in ((1, 8, 8), (3, 8, 8), (2, 6, 10)):
        sample, embeddings = torch.randn(batch, 24, height, width), torch.randn(batch, 5, 32)
        with torch.inference_mode():
            expected = unet(sample, torch.tensor(500), encoder_hidden_states=embeddings, return_dict=False)[0]
        torch.testing.assert_close(compiled(sample, torch.tensor(500), embeddings)[0], expected, atol=1e-4, rtol=1e-4)


def test_the_traced_model_is_kept_by_its_weights(tmp_path, cache):
    unet = FramePredictor.from_pretrained(make_tiny_checkpoint(tmp_path), "cpu").unet
    OpenVinoUNet(unet)
    (folder,) = cache.iterdir()
    traced = (folder / "unet.xml").stat().st_mtime_ns
    OpenVinoUNet(unet)
    assert (folder / "unet.xml").stat().st_mtime_ns == traced
    torch.nn.init.ones_(unet.conv_out.bias)
    OpenVinoUNet(unet)
    assert len(list(cache.iterdir())) == 2


def test_another_dtype_is_refused(tmp_path):
    with pytest.raises(ValueError, match="float32, not on cpu in torch.bfloat16"):
        FramePredictor.from_pretrained(make_tiny_checkpoint(tmp_path), "cpu", torch.bfloat16, engine="openvino")


def test_the_cache_is_the_users_unless_said_otherwise(monkeypatch, tmp_path):
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "framepred_ros"
