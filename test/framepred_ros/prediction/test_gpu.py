"""What a GPU predicts in half precision is what a CPU predicts in single precision, by every engine."""

import numpy as np
import pytest
import torch
from tiny_checkpoint import make_tiny_checkpoint, make_tiny_full_checkpoint

from framepred_ros import FramePredictor
from framepred_ros.prediction.imaging_torch import DeviceImaging

pytestmark = pytest.mark.gpu
INSTRUCTIONS = ["hit the block with the hammer", "stack the black block on the red block"]
IMAGES = list(np.random.default_rng(0).integers(0, 256, (4, 96, 128, 3), np.uint8))
CHECKPOINTS = {
    "small": make_tiny_checkpoint,
    "full": make_tiny_full_checkpoint,
    "guided": lambda folder: make_tiny_full_checkpoint(folder, guidance_scale=4.0, image_guidance_scale=1.5),
    "conditions": lambda folder: make_tiny_checkpoint(folder, horizons=(1, 100), history=(2, 4)),
}


def assert_close(frames, expected):
    """Rounding in 16 bits may turn a level into the next, or into the one after that where it adds up."""
    for frame, other in zip(frames, expected, strict=True):
        apart = np.abs(frame.astype(int) - other)
        assert apart.mean() < 0.5 and np.quantile(apart, 0.99) <= 3


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_half_precision_is_near_single_precision_on_a_cpu(kind, tmp_path, gpu):
    folder = CHECKPOINTS[kind](tmp_path / "checkpoint")
    single = FramePredictor.from_pretrained(folder, "cpu", engine="fast")
    half = FramePredictor.from_pretrained(folder, gpu, dtype=torch.float16, engine="fast")
    past = {back: IMAGES[place] for place, back in enumerate(single.history, 2)}
    further = {"horizons": [20, 70], "histories": [past, {}]} if kind == "conditions" else {}
    for count, steps in ((2, 1), (2, 3)):
        arguments = IMAGES[:count], INSTRUCTIONS[:count], steps, 5
        assert_close(half.predict_batch(*arguments, **further), single.predict_batch(*arguments, **further))


@pytest.mark.slow
def test_the_compiled_engine_replays_its_graph_on_new_frames(tmp_path, gpu):
    folder = make_tiny_checkpoint(tmp_path / "checkpoint")
    single = FramePredictor.from_pretrained(folder, "cpu", engine="fast")
    compiled = FramePredictor.from_pretrained(folder, gpu, dtype=torch.float16, engine="compile")
    for image in IMAGES:  # the first compiles, the second records, from then on it is replayed
        arguments = [image], INSTRUCTIONS[:1]
        assert_close(compiled.predict_batch(*arguments), single.predict_batch(*arguments))


def test_a_gpu_is_taken_by_itself_and_keeps_the_frames(tmp_path, gpu):
    if gpu == "cpu":
        pytest.skip("a CPU in its place is not taken by itself")
    predictor = FramePredictor.from_pretrained(make_tiny_checkpoint(tmp_path / "checkpoint"))
    assert (predictor.device.type, predictor.dtype) == ("cuda", torch.float16)
    assert isinstance(predictor.imaging, DeviceImaging)
    frame = predictor.predict(IMAGES[0], INSTRUCTIONS[0])
    assert (frame.dtype, frame.shape) == (np.uint8, IMAGES[0].shape)
