import json
from functools import partial

import cv2
import pytest
from tiny_checkpoint import make_tiny_checkpoint

from benchmarks import prediction
from benchmarks.floor import Floor
from benchmarks.full_size import TINY, full_size_predictor
from benchmarks.prediction import Result, main, read_pairs, report
from benchmarks.stages import STAGES, Timing
from framepred_ros.prediction import sampling


@pytest.fixture
def tiny_full_size(monkeypatch):
    monkeypatch.setattr(prediction, "full_size_predictor", partial(full_size_predictor, size=TINY))


@pytest.mark.slow
def test_every_path_is_measured_on_the_same_weights(tmp_path, capsys, monkeypatch, tiny_full_size):
    pytest.importorskip("openvino")
    monkeypatch.setattr(sampling, "OPENVINO_PARAMETERS", range(10**9))
    monkeypatch.setattr(prediction, "SCALES", (0.6, 1.0))
    checkpoint = make_tiny_checkpoint(tmp_path / "checkpoint")
    options = ["--full-size", "--calls=1", "--pairs=1", f"--out={tmp_path / 'out'}"]
    assert main(["--checkpoint", str(checkpoint), *options]) == 0
    content = json.loads((tmp_path / "out/prediction.json").read_text())
    paths = [result["path"] for result in content["results"]]
    assert paths == 2 * ["stock, its defaults", "stock, our steps", "FramePredictor, openvino", "FramePredictor, fast"]
    stock, same_steps, ours = content["results"][:3]
    assert (stock["steps"], stock["guided"], same_steps["steps"], ours["guided"]) == (100, True, 1, False)
    for result in content["results"]:
        timing = result["timing"]
        assert sum(timing["stages"].values()) == pytest.approx(timing["seconds"])
        assert result["memory"] > 0
    assert all(0 < result["psnr"] < 100 for result in content["results"][:4])  # random weights are not scored
    assert content["floors"]["checkpoint"]["seconds"] > 0
    assert [x for x, _ in content["curves"]["cameras"]] == [1, 2, 4, 8]
    assert cv2.imread(str(tmp_path / "out/prediction.png")) is not None
    assert capsys.readouterr().out.count("stock, its defaults") == 2 * len(content["floors"])


def test_every_table_names_its_own_paths(capsys):
    floor = Floor(operations=1, weight_bytes=1, operations_per_second=1.0, bytes_per_second=1.0)
    timing = Timing(0.6, dict.fromkeys(STAGES, 0.1), 1)
    results = [Result(name, f"path of {name}", 1, False, timing, 0, None, None) for name in ("first", "second")]
    report(results, {"first": floor, "second": floor})
    printed = capsys.readouterr().out
    assert printed.count("path of first") == printed.count("path of second") == 2


def test_a_missing_checkpoint_is_one_line(tmp_path, capsys):
    assert main(["--checkpoint", str(tmp_path / "none"), f"--out={tmp_path / 'out'}"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_pairs_are_a_horizon_apart_and_from_every_task():
    pairs = read_pairs(horizon=50, per_task=2)
    assert len({pair.instruction for pair in pairs}) == 3
    assert all(pair.current.shape == pair.future.shape == (240, 320, 3) for pair in pairs)
