"""The choice of the compositing: on validation episodes, by the score, written where it is asked for."""

import json
import shutil
from dataclasses import replace

import cv2
import pytest
from moving_squares import make_moving_squares
from training_runs import arguments

from framepred_ros.prediction.checkpoint import read_checkpoint_info, write_checkpoint_info
from framepred_ros.prediction.compositing import Compositing
from training import train, tune_compositing
from training.runs import compositing_search
from training.runs.compositing_search import best_of, validation_rows


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def checkpoint(dataset, tmp_path_factory):
    output = tmp_path_factory.mktemp("run")
    assert train.main(arguments(dataset, output, "optimization.max_steps=30")) == 0
    return output / "checkpoint"


def test_it_looks_at_the_runs_validation_episodes_only(dataset, checkpoint):
    info = read_checkpoint_info(checkpoint)
    named = {(task, number) for task, number in info.metrics["validation_episodes"]}
    assert {(row.task, row.episode) for row in validation_rows(info, dataset, 4)} == named and len(named) == 2
    unnamed = replace(info, metrics={})
    assert {row.episode for row in validation_rows(unnamed, dataset, 4)} == {3}  # the last: the earlier choice


def test_the_best_is_found_shown_and_applied(dataset, checkpoint, tmp_path, monkeypatch, capsys):
    """A hardly trained model's picture is noise: the less of it is shown, the better."""
    monkeypatch.setattr(compositing_search, "VALUES", {"threshold": (0, 200), "softness": (1, 20)})
    folder, all_shown = tmp_path / "checkpoint", Compositing(threshold=0, softness=1)
    shutil.copytree(checkpoint, folder)
    write_checkpoint_info(folder, replace(read_checkpoint_info(folder), compositing=all_shown))
    command = ["--checkpoint", str(folder), "--dataset", str(dataset), "--out", str(tmp_path / "out"), "--pairs", "2"]
    assert tune_compositing.main([*command, "--device", "cpu"]) == 0
    content = json.loads((tmp_path / "out" / "compositing.json").read_text())
    trials = [compositing_search.Trial(**each) for each in content["trials"]]
    assert content["best"] == best_of(trials).compositing and content["best"]["threshold"] == 200
    assert trials[0].option == "start" and best_of(trials).ssim > trials[0].ssim
    assert cv2.imread(str(tmp_path / "out" / "compositing.png")) is not None
    assert "SSIM" in capsys.readouterr().out
    assert read_checkpoint_info(folder).compositing == all_shown
    assert tune_compositing.main([*command, "--device", "cpu", "--apply"]) == 0
    assert read_checkpoint_info(folder).compositing == Compositing(**content["best"])


def test_a_folder_that_is_no_checkpoint_is_named(dataset, tmp_path, capsys):
    command = ["--checkpoint", str(tmp_path), "--dataset", str(dataset), "--out", str(tmp_path / "out")]
    assert tune_compositing.main(command) == 1
    assert f"{tmp_path} is not a checkpoint folder" in capsys.readouterr().err
