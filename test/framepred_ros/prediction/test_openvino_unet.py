import copy
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_checkpoint import make_tiny_checkpoint, make_tiny_full_checkpoint

from framepred_ros import FramePredictor
from framepred_ros.prediction import openvino_unet, sampling
from framepred_ros.prediction.cache import CACHE_VARIABLE, cache_folder
from framepred_ros.prediction.openvino_unet import OpenVinoUNet
from framepred_ros.prediction.sampling import resolve_engine

openvino = pytest.importorskip("openvino")

INSTRUCTIONS = ["hit the block with the hammer", "stack the black block on the red block"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """Tracing takes seconds: a UNet and a cache that holds it, for the tests that need no trace of their own."""
    folder = tmp_path_factory.mktemp("traced")
    unet = FramePredictor.from_pretrained(make_tiny_checkpoint(folder / "checkpoint"), "cpu").unet
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder / "cache"))
        OpenVinoUNet(unet)
    return SimpleNamespace(unet=unet, cache=folder / "cache")


@pytest.fixture
def unet(traced, cache):
    """A UNet that is in the cache already."""
    shutil.copytree(traced.cache, cache)
    return copy.deepcopy(traced.unet)


@pytest.fixture
def traces(traced, monkeypatch):
    """Every UNet that is traced, in order; what comes of it is the trace of `traced`, which is there already."""
    model, traced_unets = openvino.Core().read_model(next(traced.cache.iterdir()) / openvino_unet.MODEL), []

    def trace(unet, _):
        traced_unets.append(unet)
        return model.clone()

    monkeypatch.setattr(openvino_unet, "trace_unet", trace)
    return traced_unets


def make_images() -> list[np.ndarray]:
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    return [noise[0], np.repeat(noise[1], 2, axis=1)]


@pytest.mark.parametrize("size", ["small", "full"])
def test_it_predicts_what_pytorch_does(tmp_path, size):
    if size == "small":
        folder = make_tiny_checkpoint(tmp_path / size, one_step_noise=False, difference_channels=3)
    else:
        folder = make_tiny_full_checkpoint(tmp_path / size, guidance_scale=4.0, image_guidance_scale=1.5)
    torch_engine, engine = (FramePredictor.from_pretrained(folder, "cpu", engine=e) for e in ("fast", "openvino"))
    for steps in (1, 3):
        expected = torch_engine.predict_batch(make_images(), INSTRUCTIONS, steps=steps, seed=3)
        for frame, other in zip(engine.predict_batch(make_images(), INSTRUCTIONS, steps, 3), expected, strict=True):
            assert np.abs(frame.astype(int) - other).max() <= 1


def test_other_sizes_and_batches_than_the_traced_ones_agree(unet):
    compiled = OpenVinoUNet(unet)
    for batch, height, width in ((1, 8, 8), (3, 8, 8), (2, 6, 10), (1, 11, 7), (1, 8, 5)):
        sample, embeddings = torch.randn(batch, 24, height, width), torch.randn(batch, 5, 32)
        with torch.inference_mode():
            expected = unet(sample, torch.tensor(500), encoder_hidden_states=embeddings, return_dict=False)[0]
        torch.testing.assert_close(compiled(sample, torch.tensor(500), embeddings)[0], expected, atol=1e-4, rtol=1e-4)


def test_the_traced_model_is_kept_by_its_weights(unet, cache, traces):
    (folder,) = cache.iterdir()
    before = (folder / "unet.xml").stat().st_mtime_ns
    OpenVinoUNet(unet)
    assert (folder / "unet.xml").stat().st_mtime_ns == before and not traces
    torch.nn.init.ones_(unet.conv_out.bias)
    for _ in range(2):
        OpenVinoUNet(unet)
    assert traces == [unet] and len(list(cache.iterdir())) == 2


def test_only_the_last_used_models_are_kept(traced, cache, traces, monkeypatch):
    monkeypatch.setattr(openvino_unet, "KEPT_MODELS", 2)
    unet = copy.deepcopy(traced.unet)

    def use(bias):
        torch.nn.init.constant_(unet.conv_out.bias, bias)
        OpenVinoUNet(unet)
        return set(cache.iterdir())

    first, second = use(0.0), use(1.0)
    for age, folder in enumerate(second - first | first):
        os.utime(folder, (0, age))  # long ago, whatever the clock's resolution
    assert use(0.0) == second
    third = use(2.0)
    assert first < third and len(third) == 2 and len(traces) == 3


def test_a_damaged_model_is_traced_anew(unet, cache):
    (folder,) = cache.iterdir()
    (folder / "unet.xml").write_text("<net")
    sample, embeddings = torch.randn(1, 24, 8, 8), torch.randn(1, 5, 32)
    with torch.inference_mode():
        expected = unet(sample, torch.tensor(500), encoder_hidden_states=embeddings, return_dict=False)[0]
    for _ in range(2):
        torch.testing.assert_close(OpenVinoUNet(unet)(sample, 500, embeddings)[0], expected, atol=1e-4, rtol=1e-4)
        assert (folder / "unet.xml").stat().st_size > 10_000


def test_a_cache_that_cannot_be_written_to_is_used(unet, traces, monkeypatch):
    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "utime", refuse)
    OpenVinoUNet(unet)
    assert not traces


def test_without_a_place_for_it_the_model_is_traced_at_every_start(traced, cache, traces):
    cache.write_text("in the way")
    for _ in range(2):
        with pytest.warns(UserWarning, match=f"cannot be kept in {cache}.*set FRAMEPRED_CACHE"):
            compiled = OpenVinoUNet(traced.unet)
    assert len(traces) == 2
    assert compiled(torch.randn(1, 24, 8, 8), 500, torch.randn(1, 5, 32))[0].shape == (1, 12, 8, 8)


def test_auto_takes_it_where_it_pays(monkeypatch):
    def resolved(parameters, device="cpu", dtype=torch.float32):
        return resolve_engine(
            "auto", SimpleNamespace(device=torch.device(device), dtype=dtype, num_parameters=lambda: parameters)
        )

    assert resolved(10_900_000) == "openvino"
    assert {resolved(100_000), resolved(860_000_000), resolved(10_900_000, dtype=torch.bfloat16)} == {"fast"}
    assert resolved(10_900_000, "cuda") == "fast"
    monkeypatch.setattr(sampling, "find_spec", lambda name: None)
    assert resolved(10_900_000) == "fast"


def test_another_dtype_is_refused(tmp_path):
    with pytest.raises(ValueError, match="float32, not on cpu in torch.bfloat16"):
        FramePredictor.from_pretrained(make_tiny_checkpoint(tmp_path), "cpu", torch.bfloat16, engine="openvino")


def test_the_cache_is_the_users_unless_said_otherwise(monkeypatch, tmp_path):
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "framepred_ros"
