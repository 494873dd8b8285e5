"""The engine "compile". A fresh cache folder each time: what is tested is what a first start does."""

import os
import shutil

import numpy as np
import pytest
import torch
from tiny_checkpoint import make_tiny_full_checkpoint

from framepred_ros import FramePredictor
from framepred_ros.node.model import open_predictor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which(os.environ.get("CXX", "g++")) is None, reason="torch.compile needs a C++ compiler on a CPU"
    ),
]
INSTRUCTIONS = ["hit the block with the hammer", "stack the black block on the red block"]
IMAGES = list(np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    torch.compiler.reset()
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.compiler.reset()


def test_a_node_compiles_nothing_after_it_has_opened_the_model_and_predicts_what_the_fast_engine_does(tmp_path):
    folder = make_tiny_full_checkpoint(tmp_path / "checkpoint", levels=1, guidance_scale=4.0, image_guidance_scale=1.5)
    fast = FramePredictor.from_pretrained(folder, "cpu")
    compiled = open_predictor(str(folder), "cpu", "compile", 1, 0, [None, (64, 96, 3)])
    with torch.compiler.set_stance("fail_on_recompile"):
        for count, steps in ((1, 1), (2, 1), (2, 3)):
            arguments = IMAGES[:count], INSTRUCTIONS[:count], steps, 3
            for frame, expected in zip(compiled.predict_batch(*arguments), fast.predict_batch(*arguments), strict=True):
                assert np.abs(frame.astype(int) - expected).max() <= 1
        with pytest.raises(RuntimeError, match="fail_on_recompile"):
            compiled.predict_batch(IMAGES * 2, INSTRUCTIONS * 2)
