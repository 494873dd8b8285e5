"""Noise, schedule and tokens are those of PyTorch, diffusers and transformers."""

import itertools

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_checkpoint import INSTRUCTIONS

from framepred_ros.prediction.light.export import _tokenizer_file
from framepred_ros.prediction.light.noise import normal_noise
from framepred_ros.prediction.light.scheduler import DdimScheduler, scheduler_obstacle
from framepred_ros.prediction.light.tokenizer import WordTokenizer
from training.small.tokenizer import train_tokenizer


@settings(deadline=None, max_examples=40)
@given(st.tuples(*[st.integers(1, 9)] * 2, st.integers(16, 40)), st.integers(0, 2**40))
def test_noise_is_pytorchs(shape, seed):
    expected = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).numpy()
    np.testing.assert_allclose(normal_noise(shape, seed), expected, atol=2e-6)


def test_noise_of_fewer_values_than_are_drawn_together_is_refused():
    with pytest.raises(ValueError, match=r"at least 16 values, not \(3, 5\)"):
        normal_noise((3, 5), 0)


@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_steps_are_those_of_diffusers(spacing, kind):
    theirs = DDIMScheduler(
        beta_schedule="scaled_linear",
        clip_sample=False,
        timestep_spacing=spacing,
        prediction_type=kind,
        set_alpha_to_one=False,
        rescale_betas_zero_snr=kind == "v_prediction",
    )
    config = dict(theirs.config) | {"_class_name": "DDIMScheduler"}
    assert scheduler_obstacle(config) == ""
    ours = DdimScheduler(config, theirs.alphas_cumprod.numpy(), float(theirs.final_alpha_cumprod))
    random = torch.Generator().manual_seed(1)
    for steps in (1, 3, 7, 50):
        theirs.set_timesteps(steps)
        assert ours.timesteps(steps).tolist() == theirs.timesteps.tolist()
        sample = torch.randn(2, 3, 4, 5, generator=random)
        for timestep in itertools.islice(theirs.timesteps, 3):
            output = torch.randn(sample.shape, generator=random)
            expected = theirs.step(output, timestep, sample, eta=0.0).prev_sample.numpy()
            stepped = ours.step(output.numpy(), int(timestep), sample.numpy(), steps)
            assert stepped.dtype == np.float32
            np.testing.assert_allclose(stepped, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"_class_name": "LCMScheduler"}, "its scheduler is 'LCMScheduler'"),
        ({"clip_sample": True}, "clips samples"),
        ({"thresholding": True}, "clips samples"),
        ({"timestep_spacing": "odd"}, "timestep_spacing 'odd'"),
    ],
)
def test_other_schedulers_are_told_apart(changed, message):
    assert message in scheduler_obstacle({"_class_name": "DDIMScheduler", "clip_sample": False} | changed)


def test_tokens_are_those_of_transformers():
    theirs = train_tokenizer(INSTRUCTIONS, merges=60)
    ours = WordTokenizer(_tokenizer_file(theirs))
    length = theirs.model_max_length
    assert ours.model_max_length == length
    for text in (*INSTRUCTIONS, "", "  Ünïcode\n and \t spaces ", "it's 12 blocks" * 20, "<|endoftext|> unheard-of 字"):
        expected = theirs(text, padding="max_length", max_length=length, truncation=True).input_ids
        assert ours.padded(text).tolist() == [expected] and ours.padded(text).dtype == np.int64
        whole = theirs(text, verbose=False).input_ids
        assert ours(text, verbose=False).input_ids == whole
        assert ours.decode(whole[length - 1 : -1]) == theirs.decode(whole[length - 1 : -1])
