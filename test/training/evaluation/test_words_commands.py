"""The words measure through the commands: results, tables, pictures, what is kept and what is measured anew."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from dataset_files import build
from PIL import Image
from scene_files import TWINS, write_scenes
from tiny_checkpoint import make_tiny_checkpoint

from framepred_ros.prediction.predictor import FramePredictor
from training import compare, evaluate
from training.dataset.index import load_split
from training.evaluation.predictors.base import read_pair

HORIZON = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("words_commands")
    write_scenes(root / "episodes", 4, TWINS, HORIZON + 4, branch_frame=3)
    assert build(root / "episodes", root / "dataset", "--test-fraction", "0.75", horizon=HORIZON) == 0
    make_tiny_checkpoint(root / "checkpoint", horizon=HORIZON)
    return root


def evaluated(folder, out):
    arguments = ["--checkpoint", str(folder / "checkpoint"), "--dataset", str(folder / "dataset"), "--out", str(out)]
    assert evaluate.main([*arguments, "--device", "cpu", "--max-pairs", "3"]) == 0
    return json.loads((out / "results.json").read_text())


def test_evaluate_says_whether_the_words_decide(folder, tmp_path):
    words = evaluated(folder, tmp_path / "out")["words"]
    assert words["horizon"] == HORIZON
    assert words["frames"] == {"start": 3, "branch": 3}
    assert words["left_out"] == {}
    assert set(words["predictors"]) == {"prediction", "copy", "reconstruction"}
    copying, ceiling = (words["predictors"][name]["choice"]["mse"]["all"] for name in ("copy", "reconstruction"))
    assert copying["mean"] == pytest.approx(copying["chance"]) == pytest.approx(3 / 8)
    assert ceiling["mean"] > copying["mean"] + 0.2  # of an autoencoder with random weights
    text = (tmp_path / "out" / "results.md").read_text()
    assert "Do the words decide?" in text and "Word gap (dB)" in text and "told to stay still" in text
    with Image.open(tmp_path / "out" / "words.png") as picture:
        assert min(picture.size) > 100


def test_values_of_choices_are_kept(folder, tmp_path, monkeypatch):
    first = evaluated(folder, tmp_path / "out")["words"]
    monkeypatch.setattr("training.evaluation.words.measure._score", None)  # nothing is left to score
    assert evaluated(folder, tmp_path / "out")["words"] == first


def test_a_study_compares_predictors_and_its_report_has_the_viewer(folder, tmp_path):
    study = {
        "title": "Words",
        "dataset": str(folder / "dataset"),
        "featured": "tiny",
        "pairs_per_task": 2,
        "predictors": {
            "retrieval": {"kind": "retrieval", "every": 1},
            "retrieval without words": {"kind": "retrieval", "every": 1, "text_weight": 0},
            "linear motion": {"kind": "linear_motion", "lookback": 2},
            "tiny": {"kind": "checkpoint", "checkpoint": str(folder / "checkpoint")},
        },
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    assert compare.main([str(tmp_path / "study.yaml"), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    words = json.loads((tmp_path / "out" / "results.json").read_text())["words"]["predictors"]
    assert set(words) == {"copying", *study["predictors"]}
    for name in ("copying", "retrieval without words", "linear motion"):
        accuracy = words[name]["choice"]["mse"]["all"]
        assert accuracy["mean"] == pytest.approx(accuracy["chance"]), name
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'id="choices"' in page and "now push the red block to the left" in page
    assert (tmp_path / "out" / "words.png").is_file()


def test_a_dataset_without_scenes_has_neither_numbers_nor_viewer(folder, tmp_path):
    copied = shutil.copytree(folder / "dataset", tmp_path / "dataset")
    manifest = json.loads((copied / "manifest.json").read_text())
    for record in manifest["episodes"]:
        del record["scene"]  # as datasets of earlier versions are
    (copied / "manifest.json").write_text(json.dumps(manifest))
    make_tiny_checkpoint(tmp_path / "checkpoint", horizon=HORIZON)
    assert "words" not in evaluated(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out" / "words.png").exists()


def test_without_words_the_model_gets_what_it_learned_dropped_instructions_by(folder):
    predictor = FramePredictor.from_pretrained(folder / "checkpoint", device="cpu", engine="fast")
    pair = read_pair(load_split(Path(folder / "dataset"), "test")[0], None)
    asked = []
    embed = predictor.sampler.embed
    predictor.sampler.embed = lambda text: asked.append(text) or embed(text)
    assert predictor.predict_batch([pair.current], [None])[0].shape == pair.current.shape
    assert asked == [""]
    with pytest.raises(ValueError, match="non-empty"):
        predictor.predict_batch([pair.current], [""])
