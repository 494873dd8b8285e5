import json

import cv2
from moving_squares import make_moving_squares
from training_runs import RECIPES

from benchmarks.training import OURS, REFERENCE, main


def test_both_steps_are_timed_and_reported(tmp_path):
    dataset = make_moving_squares(tmp_path, stride=4)
    command = ["--recipe", str(RECIPES / "smoke.yaml"), "--dataset", str(dataset), "--device", "cpu"]
    assert main([*command, "--steps", "2", "--rounds", "1", "--out", str(tmp_path / "out")]) == 0
    results = json.loads((tmp_path / "out" / "training.json").read_text())["results"]
    for name in (OURS, REFERENCE):
        assert len(results[name]["seconds"]) == 2 and results[name]["memory"] > 0
    assert cv2.imread(str(tmp_path / "out" / "training.png")) is not None
