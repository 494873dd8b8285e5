"""Horizon and past as conditions: every engine gives what a plain loop over the same modules gives."""

import numpy as np
import pytest
import torch
from tiny_checkpoint import make_tiny_checkpoint, make_tiny_full_checkpoint

from framepred_ros import FramePredictor
from framepred_ros.prediction.checkpoint import CheckpointInfo, read_checkpoint_info
from framepred_ros.prediction.conditions import history_channel_count, history_channels
from framepred_ros.prediction.torch_predictor import TorchPredictor, open_torch

CONDITIONS = {"horizons": (1, 100), "history": (10, 25), "history_channels": 4, "compositing": None}
INSTRUCTION = "hit the block with the hammer"


def make_image(seed=0, height=64):
    return np.random.default_rng(seed).integers(0, 256, (height, 80, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("conditioned"), **CONDITIONS)


@pytest.fixture(scope="module")
def predictor(folder):
    return FramePredictor.from_pretrained(folder, device="cpu", engine="fast")


def latents(folder, engine, **given):
    """Sampled latents of three frames with different horizons, of which one has a whole past and one has half of it."""
    predictor = open_torch(folder, read_checkpoint_info(folder), "cpu", None, engine)
    images = [make_image(seed) for seed in range(3)]
    histories = [{10: make_image(7), 25: make_image(8)}, {10: make_image(9)}, {}]
    with torch.inference_mode():
        past = predictor._past(images, histories)
        return predictor.sampler.sample(predictor._pixels(images), [INSTRUCTION] * 3, 2, 3, [5, 50, 100], past)[1]


@pytest.mark.parametrize("engine", ["fast", "openvino"])
def test_engines_equal_the_plain_loop(folder, engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    torch.testing.assert_close(latents(folder, engine), latents(folder, "diffusers"), atol=1e-4, rtol=1e-4)


def test_guided_passes_equal_the_plain_loop(tmp_path):
    guided = {"horizons": (1, 100), "history": (10, 25), "guidance_scale": 3.0, "image_guidance_scale": 1.5}
    folder = make_tiny_full_checkpoint(tmp_path, **guided)
    torch.testing.assert_close(latents(folder, "fast"), latents(folder, "diffusers"), atol=1e-4, rtol=1e-4)


def test_a_batch_equals_single_predictions(predictor):
    images, past = [make_image(seed) for seed in range(3)], {10: make_image(5), 25: make_image(6)}
    horizons, histories = [1, 50, 100], [past, {}, {25: past[25]}]
    together = predictor.predict_batch(images, [INSTRUCTION] * 3, horizons=horizons, histories=histories)
    for image, horizon, history, expected in zip(images, horizons, histories, together, strict=True):
        alone = predictor.predict(image, INSTRUCTION, horizon=horizon, history=history)
        assert np.abs(alone.astype(int) - expected).max() <= 1


def test_horizon_and_past_change_the_prediction_and_a_clip_is_its_frames(predictor):
    image, past = make_image(), {10: make_image(1)}
    clip = predictor.predict_clip(image, INSTRUCTION, [5, 50, 95], history=past)
    assert len({frame.tobytes() for frame in clip}) == 3
    assert np.abs(predictor.predict(image, INSTRUCTION, horizon=95, history=past).astype(int) - clip[2]).max() <= 1
    assert (predictor.predict(image, INSTRUCTION, horizon=95) != clip[2]).any()
    default = predictor.predict(image, INSTRUCTION, history=past)
    assert np.abs(default.astype(int) - clip[1]).max() <= 1  # the checkpoint's own horizon


def test_no_past_and_a_past_that_is_missing_are_the_same(predictor):
    image = make_image()
    alone = predictor.predict(image, INSTRUCTION)
    assert (alone == predictor.predict(image, INSTRUCTION, history={})).all()
    beside = predictor.predict_batch([image] * 2, [INSTRUCTION] * 2, histories=[{}, {10: make_image(1)}])[0]
    assert np.abs(alone.astype(int) - beside).max() <= 1


@pytest.mark.parametrize("horizon", [0, 101, 5.0, True, None])
def test_other_horizons_are_refused(predictor, horizon):
    with pytest.raises(ValueError, match="horizon must be an integer between 1 and 100 for this checkpoint"):
        predictor.predict_batch([make_image()], [INSTRUCTION], horizons=[horizon])


def test_a_past_at_other_steps_or_of_other_kinds_is_refused(predictor):
    with pytest.raises(ValueError, match="a frame 11 steps back, but this checkpoint takes frames 10, 25 steps back"):
        predictor.predict(make_image(), INSTRUCTION, history={11: make_image()})
    with pytest.raises(ValueError, match="uint8"):
        predictor.predict(make_image(), INSTRUCTION, history={10: make_image().astype(float)})


def test_a_checkpoint_without_conditions_knows_its_horizon_and_no_past(tmp_path):
    predictor = FramePredictor.from_pretrained(make_tiny_checkpoint(tmp_path), device="cpu", engine="fast")
    assert predictor.horizons == (50, 50) and predictor.history == ()
    image = make_image()
    assert (predictor.predict(image, INSTRUCTION, horizon=50) == predictor.predict(image, INSTRUCTION)).all()
    with pytest.raises(ValueError, match="horizon must be 50 for this checkpoint, not 25"):
        predictor.predict(image, INSTRUCTION, horizon=25)
    with pytest.raises(ValueError, match="this checkpoint takes no past"):
        predictor.predict(image, INSTRUCTION, history={10: image})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"horizons": (60, 100)}, "horizons must be null or .shortest, longest. in steps, around horizon 50"),
        ({"horizons": (1,)}, "horizons must be"),
        ({"history": (25, 10)}, "history must be ascending numbers of steps back"),
        ({"history": (0,)}, "history must be ascending"),
        ({"history_channels": 0}, "history_channels must be null or an integer of at least 1"),
    ],
)
def test_impossible_settings_are_refused(changed, message):
    assert CheckpointInfo(resolution=(64, 64), horizons=(1, 100), history=(10, 25), history_channels=4)
    with pytest.raises(ValueError, match=message):
        CheckpointInfo(resolution=(64, 64), **changed)


@pytest.mark.parametrize("changed", [{"horizons": None}, {"history": (10,)}, {"history_channels": 5}])
def test_a_unet_that_takes_something_else_is_refused(predictor, changed):
    info = CheckpointInfo(**{**vars(predictor.info), **changed})
    parts = predictor.vae, predictor.text_encoder, predictor.tokenizer, predictor.unet, predictor.scheduler
    with pytest.raises(ValueError, match="framepred.json"):
        TorchPredictor(*parts, info, "fast")


def test_the_past_is_a_difference_and_a_plane_and_zero_where_there_is_none():
    current, past = torch.randn(2, 6, 3, 4), torch.randn(2, 2, 6, 3, 4)
    present = torch.tensor([[True, False], [True, True]])
    channels = history_channels(current, past, present, 4)
    assert channels.shape == (2, history_channel_count(6, (10, 25), 4), 3, 4)
    torch.testing.assert_close(channels[0, :4], past[0, 0, :4] - current[0, :4])
    assert (channels[:, 4] == 1).all() and not channels[0, 5:].any() and (channels[1, 9] == 1).all()
    assert history_channels(current, past, present, None).shape[1] == history_channel_count(6, (10, 25), None) == 14
