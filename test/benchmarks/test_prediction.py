import json

import cv2
import pytest
from tiny_checkpoint import make_tiny_checkpoint

from benchmarks.prediction import main, read_pairs
from framepred_ros import sampling


@pytest.mark.slow
def test_every_path_is_measured_on_the_same_weights(tmp_path, capsys, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setattr(sampling, "OPENVINO_PARAMETERS", range(10**9))
    checkpoint = make_tiny_checkpoint(tmp_path / "checkpoint")
    assert main(["--checkpoint", str(checkpoint), "--calls=1", "--pairs=1", f"--out={tmp_path / 'out'}"]) == 0
    content = json.loads((tmp_path / "out/prediction.json").read_text())
    paths = [result["path"] for result in content["results"]]
    assert paths == ["stock, its defaults", "stock, our steps", "FramePredictor, openvino", "FramePredictor, fast"]
    stock, same_steps, ours = content["results"][:3]
    assert (stock["steps"], stock["guided"], same_steps["steps"], ours["guided"]) == (100, True, 1, False)
    for result in content["results"]:
        timing = result["timing"]
        assert sum(timing["stages"].values()) == pytest.approx(timing["seconds"])
        assert result["memory"] > 0 and 0 < result["psnr"] < 100
    assert content["floors"]["checkpoint"]["seconds"] < ours["timing"]["seconds"]
    assert [x for x, _ in content["curves"]["cameras"]] == [1, 2, 4, 8]
    assert cv2.imread(str(tmp_path / "out/prediction.png")) is not None
    assert "stock, its defaults" in capsys.readouterr().out


def test_a_missing_checkpoint_is_one_line(tmp_path, capsys):
    assert main(["--checkpoint", str(tmp_path / "none"), f"--out={tmp_path / 'out'}"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_pairs_are_a_horizon_apart_and_from_every_task():
    pairs = read_pairs(horizon=50, per_task=2)
    assert len({pair.instruction for pair in pairs}) == 3
    assert all(pair.current.shape == pair.future.shape == (240, 320, 3) for pair in pairs)
