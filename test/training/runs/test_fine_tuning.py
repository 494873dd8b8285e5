"""Fine-tuning as one command: settings of the start, an early end, and what is said then."""

import json
import re
import shutil
from dataclasses import replace

import pytest
from moving_squares import make_moving_squares
from training_runs import RECIPES, arguments

from framepred_ros.prediction.checkpoint import read_checkpoint_info, shipped_checkpoint, write_checkpoint_info
from training.dataset.index import load_split
from training.evaluation.predictors.copying import Copying
from training.runs.outcome import score_nearest
from training.train import main
from training.trainer.recipe_file import RecipeError, read_recipe
from training.trainer.run_log import read_log
from training.trainer.validation_log import has_converged
from training.trainer.weights import WeightsError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def start(dataset, tmp_path_factory):
    """A small checkpoint of other sizes than the defaults."""
    output = tmp_path_factory.mktemp("start")
    assert main(arguments(dataset, output, "optimization.max_steps=2")) == 0
    return output / "checkpoint"


def fine_tuning(start, dataset, output, *more):
    """The command for our recipe, with a start and a length that suit a test."""
    tiny = ("run.mixed_precision=no", "run.validate_every=2", "optimization.max_steps=12", "run.log_every=1")
    return arguments(dataset, output, f"model.weights={start}", *tiny, *more, recipe="finetune_small")


def test_what_the_recipe_leaves_out_is_the_checkpoints(start):
    ours = read_recipe(RECIPES / "finetune_small.yaml", [f"model.weights={start}"])
    smoke = read_recipe(RECIPES / "smoke.yaml")
    assert ours.model == replace(smoke.model, weights=str(start))
    assert (ours.resolution, ours.compositing) == (smoke.resolution, smoke.compositing)
    assert ours.optimization != smoke.optimization and ours.name == "finetune_small"


def test_what_the_recipe_says_counts(start):
    said = ["model.loss.l1_weight=0.7", "resolution=[32, 32]", "compositing=null"]
    ours = read_recipe(RECIPES / "finetune_small.yaml", [f"model.weights={start}", *said])
    assert (ours.model.loss.l1_weight, ours.resolution, ours.compositing) == (0.7, (32, 32), None)


def test_settings_of_other_versions_are_passed_over(start, tmp_path):
    shutil.copytree(start, tmp_path / "start")
    info = read_checkpoint_info(start)
    recipe = json.loads(json.dumps(info.recipe))
    recipe["model"]["unet"]["of_a_later_version"] = 1
    del recipe["model"]["conditions"]
    write_checkpoint_info(tmp_path / "start", replace(info, recipe=recipe))
    ours = read_recipe(RECIPES / "finetune_small.yaml", [f"model.weights={tmp_path / 'start'}"])
    assert ours.model == replace(read_recipe(RECIPES / "smoke.yaml").model, weights=str(tmp_path / "start"))


def test_the_shipped_checkpoint_is_meant_by_its_name():
    ours, info = read_recipe(RECIPES / "finetune_small.yaml"), read_checkpoint_info(shipped_checkpoint())
    assert ours.resolution == info.resolution and ours.compositing == info.compositing
    assert list(ours.model.unet.channels) == info.recipe["model"]["unet"]["channels"]


def test_a_start_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WeightsError, match="model.weights: no checkpoint folder at /nowhere"):
        read_recipe(RECIPES / "finetune_small.yaml", ["model.weights=/nowhere"])
    with pytest.raises(RecipeError, match="unknown key model.wieghts"):
        read_recipe(RECIPES / "finetune_small.yaml", ["model.wieghts=x"])


def test_a_run_ends_when_validation_says_so(start, dataset, tmp_path, capfd):
    """With a learning rate that changes nothing, no validation is better than the first; resumed, it ends at once."""
    still = ("optimization.learning_rate=1e-12", "optimization.weight_decay=0", "validation.patience=2")
    assert main(fine_tuning(start, dataset, tmp_path, *still)) == 0
    steps = [line["step"] for line in read_log(tmp_path / "validation" / "scores.jsonl")]
    assert steps == [0, 2, 4]
    assert read_checkpoint_info(tmp_path / "checkpoint-best").metrics["step"] == 0
    said = capfd.readouterr().out
    assert "2 validations in a row no better than one before" in said

    assert main(fine_tuning(start, dataset, tmp_path, *still, "--resume", "auto")) == 0
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == [1, 2, 3, 4]


def test_in_the_end_it_says_what_it_reached_and_how_to_use_it(start, dataset, tmp_path, capfd, caplog):
    caplog.set_level("INFO")
    assert main(fine_tuning(start, dataset, tmp_path)) == 0
    table, said = capfd.readouterr().err, caplog.text
    for name in ("checkpoint-best, step", "the same before the first step", "copying the current frame"):
        assert re.search(rf"{name}.* 0\.\d{{3}} .* \d+\.\d\d", table)
    assert "the nearest training pair's future" in table and "on 24 validation pairs, never trained on" in table
    best = tmp_path / "checkpoint-best"
    assert f"ros2 launch framepred_ros predictor.launch.py checkpoint:={best}" in said
    assert f"--checkpoint {best} --dataset {dataset} --split test" in said


def test_the_nearest_pair_is_one_that_was_trained_on(dataset):
    """Where the validation pairs were among them, their own futures would be found."""
    rows = load_split(dataset, "train")
    training = [row for row in rows if row.episode != 0]
    validation = [row for row in rows if row.episode == 0]
    assert score_nearest(rows, validation)["ssim"] == pytest.approx(1)
    assert score_nearest(training, validation)["ssim"] < 0.99


def test_patience_counts_validations_without_a_better_one(tmp_path):
    (tmp_path / "validation").mkdir()
    path = tmp_path / "validation" / "scores.jsonl"

    def write(*scores):
        lines = [{"step": step, "overall": {"prediction": {"ssim": ssim}}} for step, ssim in enumerate(scores)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert not has_converged(tmp_path, 2)
    for scores, expected in {(0.5, 0.6, 0.5): False, (0.6, 0.5, 0.55): True, (0.6, 0.6, 0.6): True}.items():
        write(*scores)
        assert has_converged(tmp_path, 2) == expected and not has_converged(tmp_path, None)


def test_copying_and_the_ceiling_are_scored_once(start, dataset, tmp_path, monkeypatch):
    calls = []
    predict = Copying.predict
    monkeypatch.setattr(Copying, "predict", lambda self, pairs: calls.append(len(pairs)) or predict(self, pairs))
    assert main(fine_tuning(start, dataset, tmp_path, "optimization.max_steps=4")) == 0
    lines = read_log(tmp_path / "validation" / "scores.jsonl")
    assert [line["step"] for line in lines] == [0, 2, 4] and sum(calls) == 24
    assert len({line["overall"]["copy"]["ssim"] for line in lines}) == 1
