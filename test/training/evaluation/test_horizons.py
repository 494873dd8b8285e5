"""Evaluation at other horizons, and with the frames before the current one."""

import json

import numpy as np
import pytest
from moving_squares import make_moving_squares
from tiny_checkpoint import make_tiny_checkpoint

from framepred_ros.prediction.predictor import FramePredictor
from training import compare, evaluate
from training.dataset.index import load_manifest, load_split
from training.dataset.stored_pairs import at_horizon, read_frame
from training.evaluation.predictors.base import read_pair
from training.evaluation.predictors.checkpoint import CheckpointPredictor
from training.evaluation.scoring.measure import WITH_PAST, HorizonMismatchError, check_horizon

HORIZON = 8  # of the dataset, 20 frames an episode


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"), horizon=HORIZON)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    make_tiny_checkpoint(folder, horizon=HORIZON, horizons=(1, 12), history=(2, 5), history_channels=2)
    return folder


@pytest.fixture(scope="module")
def model(checkpoint):
    return FramePredictor.from_pretrained(checkpoint, device="cpu", engine="fast")


def test_pairs_of_another_horizon_are_found_among_the_stored_frames(dataset):
    rows, manifest = load_split(dataset, "test"), load_manifest(dataset)
    assert {row.horizon for row in rows} == {HORIZON}
    for horizon in (1, HORIZON, 12, 25):
        moved = at_horizon(rows, manifest, horizon)
        assert len(moved) == sum(row.frame + horizon < 20 for row in rows)
        for row in moved:
            assert row.edited_image.name == f"episode{row.episode}_frame{row.frame + horizon}.jpg"
            assert row.horizon == horizon and row.edited_image.is_file()
    assert at_horizon(rows, manifest, HORIZON) == rows


def test_the_past_is_what_is_stored_of_it(dataset):
    rows = {row.frame: row for row in load_split(dataset, "test") if row.task == "slide_left"}
    assert read_pair(rows[0], None, (2, 5)).past == {}
    assert set(read_pair(rows[4], None, (2, 5)).past) == {2}
    past = read_pair(rows[7], None, (2, 5)).past
    assert (past[2] == read_frame(rows[5].input_image)).all() and (past[5] == read_frame(rows[2].input_image)).all()


def test_a_checkpoint_is_asked_for_the_pairs_horizon_and_given_their_past(dataset, model):
    rows = at_horizon(load_split(dataset, "test"), load_manifest(dataset), 12)
    pair = read_pair(rows[6], None, (2, 5))
    alone, with_past = (CheckpointPredictor(model, history=history).predict([pair])[0] for history in (False, True))
    expected = model.predict(pair.current, pair.row.prompt, horizon=12)
    assert (alone.picture == expected).all()
    expected = model.predict(pair.current, pair.row.prompt, horizon=12, history=pair.past)
    assert (with_past.picture == expected).all() and (with_past.picture != alone.picture).any()


def test_a_horizon_that_the_checkpoint_does_not_know_is_refused(dataset, model):
    predictor, manifest = CheckpointPredictor(model), load_manifest(dataset)
    check_horizon(predictor, manifest)
    with pytest.raises(HorizonMismatchError, match="1 to 12 steps ahead, but the dataset's pairs are 13 steps"):
        check_horizon(predictor, manifest, 13)


def test_evaluate_has_both_settings_and_the_curve(dataset, checkpoint, tmp_path):
    arguments = ["--checkpoint", str(checkpoint), "--dataset", str(dataset), "--out", str(tmp_path / "out")]
    assert evaluate.main([*arguments, "--device", "cpu", "--max-pairs", "3"]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {"prediction", WITH_PAST, "copy"} <= set(results["scores"]["overall"])
    points = {(point["value"], point["predictor"]): point["part"] for point in results["horizons"]}
    assert set(points) == {(steps, name) for steps in (5, 10) for name in ("prediction", WITH_PAST, "copy")}
    copying = [points[steps, "copy"]["copy"]["psnr"]["mean"] for steps in (5, 10)]
    assert copying[0] > copying[1]
    text = (tmp_path / "out" / "results.md").read_text()
    assert "prediction, with the past" in text and "## Over the horizon" in text and "| 10 | 0.60 |" in text
    assert (tmp_path / "out" / "horizons.png").stat().st_size > 1000
    assert evaluate.main([*arguments, "--device", "cpu", "--horizons", "13"]) == 1


def test_a_study_draws_scores_over_the_horizon(dataset, checkpoint, tmp_path):
    predictor = {"kind": "checkpoint", "checkpoint": str(checkpoint)}
    study = {
        "title": "Horizons",
        "dataset": str(dataset),
        "pairs_per_task": 2,
        "featured": "with the past",
        "predictors": {"alone": predictor, "with the past": {**predictor, "history": True}},
        "curves": [{"title": "Steps", "predictors": ["alone", "copying"], "vary": "horizon", "values": [4, 12]}],
    }
    (tmp_path / "study.yaml").write_text(json.dumps(study))
    assert compare.main([str(tmp_path / "study.yaml"), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    points = json.loads((tmp_path / "out" / "results.json").read_text())["curves"]["Steps"]
    values = {(point["value"], point["predictor"]) for point in points}
    assert values == {(4, "alone"), (12, "alone"), (4, "copying"), (12, "copying")}
    assert all(np.isfinite(point["part"][point["predictor"]]["psnr"]["mean"]) for point in points)
