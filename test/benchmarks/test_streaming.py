import json

import cv2
import numpy as np
import pytest
import torch
from tiny_checkpoint import make_tiny_checkpoint

from benchmarks.streaming import main, read_streams
from benchmarks.warm_start import WarmSampler
from framepred_ros import FramePredictor


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"), difference_channels=3, steps=8)


def test_skipping_and_the_warm_start_are_measured(checkpoint, tmp_path, capsys):
    options = ["--frames=3", "--warm-frames=2", "--every=3", f"--out={tmp_path}"]
    assert main(["--checkpoint", str(checkpoint), *options]) == 0
    content = json.loads((tmp_path / "streaming.json").read_text())
    skipping, starts = content["skipping"], content["starts"]
    shares = [result["skipped"] for result in skipping]
    assert shares[0] == 0 and shares == sorted(shares) and skipping[0]["passes"] == 8
    assert [result["passes"] for result in starts] == [8, 4, 2, 1, 4, 2, 1]
    assert all(0 < result["psnr"] < 100 and result["milliseconds"] > 0 for result in skipping + starts)
    assert cv2.imread(str(tmp_path / "streaming.png")) is not None
    assert "last 4 of 8 steps" in capsys.readouterr().out


def test_streams_are_a_horizon_ahead():
    streams = read_streams(horizon=50, every=10, most=3)
    assert len(streams) == 3 and all(len(stream.frames) == len(stream.futures) == 3 for stream in streams)
    dense = read_streams(horizon=50, every=1, most=1000)[0]
    assert np.array_equal(dense.frames[50], dense.futures[0])


def test_a_warm_start_that_keeps_all_steps_starts_from_noise(checkpoint):
    """At the last timestep of a schedule with zero terminal SNR nothing of the last prediction is left."""
    predictor = FramePredictor.from_pretrained(checkpoint, device="cpu")
    warm = WarmSampler(predictor, kept=8)
    pixels = torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        for each in pixels:
            expected = predictor.sampler.sample(each, ["go"], 8, 1)[1]
            torch.testing.assert_close(warm.sample(each, ["go"], 8, 1)[1], expected, atol=1e-3, rtol=1e-3)
        warm.kept = 2
        assert not torch.allclose(warm.sample(pixels[0], ["go"], 8, 1)[1], expected)


def test_a_missing_checkpoint_is_one_line(tmp_path, capsys):
    assert main(["--checkpoint", str(tmp_path / "none"), f"--out={tmp_path / 'out'}"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
