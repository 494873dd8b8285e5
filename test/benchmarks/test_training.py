import json

import cv2
import pytest
from moving_squares import make_moving_squares
from training_runs import RECIPES

from benchmarks.training import FLOAT32_REFERENCE, OURS, REFERENCE, main


@pytest.mark.parametrize(
    ("precision", "names"), [("no", [OURS, REFERENCE]), ("bf16", [OURS, REFERENCE, FLOAT32_REFERENCE])]
)
def test_every_step_is_timed_and_reported(tmp_path, precision, names, any_precision):
    dataset = make_moving_squares(tmp_path, stride=4)
    command = ["--recipe", str(RECIPES / "smoke.yaml"), "--dataset", str(dataset), "--device", "cpu"]
    command += ["--steps", "2", "--rounds", "1", "--out", str(tmp_path / "out"), f"run.mixed_precision={precision}"]
    assert main(command) == 0
    content = json.loads((tmp_path / "out" / "training.json").read_text())
    results = content["results"]
    assert list(results) == names
    for name in names:
        assert len(results[name]["seconds"]) == 2 and results[name]["memory"] > 0
    assert content["floor_seconds"] > 0
    assert cv2.imread(str(tmp_path / "out" / "training.png")) is not None
