"""Small models that are trained on from a checkpoint, and on some of a dataset's tasks."""

import re
import shutil
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from moving_squares import make_moving_squares
from safetensors.torch import load_file
from training_runs import arguments

from framepred_ros import FramePredictor
from framepred_ros.prediction.checkpoint import read_checkpoint_info, write_checkpoint_info
from training.dataset.index import load_manifest, load_split
from training.dataset.stored_pairs import read_frame
from training.train import main
from training.trainer.weights import WeightsError, check_horizon


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def other_task(dataset, tmp_path_factory):
    """A checkpoint that was trained on one of the two tasks."""
    output = tmp_path_factory.mktemp("other")
    assert main(arguments(dataset, output, "data.tasks=[slide_left]")) == 0
    return output / "checkpoint"


def weights(checkpoint, part):
    return load_file(next((checkpoint / part).glob("*.safetensors")))


def test_only_the_named_tasks_are_trained_and_validated_on(other_task):
    info = read_checkpoint_info(other_task)
    assert info.tasks == ("slide_left",)
    assert set(info.metrics["validation"]["tasks"]) == {"slide_left"}


def test_fine_tuning_starts_with_what_the_checkpoint_predicts(dataset, other_task, tmp_path):
    options = [f"model.weights={other_task}", "data.tasks=[slide_right]"]
    still = ["optimization.learning_rate=1e-12", "optimization.max_steps=2", "optimization.weight_decay=0"]
    assert main(arguments(dataset, tmp_path / "still", *options, *still)) == 0
    for part in ("unet", "text_encoder", "vae"):
        before, after = weights(other_task, part), weights(tmp_path / "still" / "checkpoint", part)
        assert all(torch.equal(before[name], after[name]) for name in before)
    row = load_split(dataset, "test")[0]
    pictures = [
        FramePredictor.from_pretrained(folder, device="cpu").predict(read_frame(row.input_image), row.prompt)
        for folder in (other_task, tmp_path / "still" / "checkpoint")
    ]
    assert (pictures[0] == pictures[1]).all()

    assert main(arguments(dataset, tmp_path / "tuned", *options)) == 0
    tuned = tmp_path / "tuned" / "checkpoint"
    assert not [path for path in tuned.glob("*/*.json") if str(other_task) in path.read_text()]
    assert read_checkpoint_info(tuned).tasks == ("slide_right",)
    assert not torch.equal(weights(tuned, "unet")["conv_in.weight"], weights(other_task, "unet")["conv_in.weight"])
    assert (tuned / "tokenizer" / "tokenizer.json").read_text() == (
        other_task / "tokenizer" / "tokenizer.json"
    ).read_text()
    assert f"trained on from `{other_task}`" in (tuned / "README.md").read_text()
    assert "trained from scratch" in (other_task / "README.md").read_text()


def test_a_refitted_start_keeps_the_motion_and_learns_colours_and_words_anew(dataset, other_task, tmp_path):
    options = [f"model.weights={other_task}", "model.refit=true", "data.tasks=[slide_right]"]
    still = ["optimization.learning_rate=1e-12", "optimization.max_steps=2", "optimization.weight_decay=0"]
    assert main(arguments(dataset, tmp_path, *options, *still)) == 0
    refitted = tmp_path / "checkpoint"
    before, after = weights(other_task, "unet"), weights(refitted, "unet")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    ends = {"conv_in.weight", "conv_in.bias", "conv_out.weight", "conv_out.bias"}
    assert changed - ends == {name for name in before if ".attn2.to_out.0." in name or ".attn2.to_q." in name}
    assert changed & ends
    assert all((after[name] == 0).all() for name in changed if name.endswith(".attn2.to_out.0.weight"))
    for part in ("vae", "text_encoder"):
        before, after = weights(other_task, part), weights(refitted, part)
        assert any(before[name].shape != after[name].shape or (before[name] != after[name]).any() for name in before)
    vocabularies = [(folder / "tokenizer" / "tokenizer.json").read_text() for folder in (other_task, refitted)]
    assert vocabularies[0] != vocabularies[1]
    assert "trained on from" in (refitted / "README.md").read_text()


def test_words_that_are_learned_anew_say_nothing_at_first(dataset, other_task, tmp_path):
    options = [f"model.weights={other_task}", "model.relearn_words=true"]
    still = ["optimization.learning_rate=1e-12", "optimization.max_steps=2", "optimization.weight_decay=0"]
    assert main(arguments(dataset, tmp_path, *options, *still)) == 0
    before, after = weights(other_task, "vae"), weights(tmp_path / "checkpoint", "vae")
    assert all(torch.equal(before[name], after[name]) for name in before)
    predictor = FramePredictor.from_pretrained(tmp_path / "checkpoint", device="cpu", engine="fast")
    frame = read_frame(load_split(dataset, "test")[0].input_image)
    pictures = predictor.predict_batch([frame] * 2, ["push it left", "sing a song"])
    assert (pictures[0] == pictures[1]).all()


def test_pooled_words_change_nothing_at_first_and_learn_and_can_be_forgotten(dataset, other_task, tmp_path):
    options = [f"model.weights={other_task}", "model.unet.pooled_words=true", "data.tasks=[slide_right]"]
    still = ["optimization.learning_rate=1e-12", "optimization.max_steps=2", "optimization.weight_decay=0"]
    frame = read_frame(load_split(dataset, "test")[0].input_image)

    def predictions(checkpoint):
        predictor = FramePredictor.from_pretrained(checkpoint, device="cpu", engine="fast")
        return np.stack(predictor.predict_batch([frame] * 2, ["push it left", "sing a song"]))

    assert main(arguments(dataset, tmp_path / "still", *options, *still)) == 0
    assert (predictions(tmp_path / "still" / "checkpoint") == predictions(other_task)).all()
    assert main(arguments(dataset, tmp_path / "pooled", *options)) == 0
    pooled = tmp_path / "pooled" / "checkpoint"
    assert weights(pooled, "unet")["add_embedding.norm2.weight"].any()
    assert (
        main(arguments(dataset, tmp_path / "without", f"model.weights={pooled}", "model.unet.pooled_words=false")) == 1
    )

    forgotten = arguments(
        dataset, tmp_path / "new", f"model.weights={pooled}", *options[1:], "model.relearn_words=true"
    )
    assert main([*forgotten, *still]) == 0
    left, right = predictions(tmp_path / "new" / "checkpoint")
    assert (left == right).all()


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        (
            "data.tasks=[slide_up]",
            "data.tasks: the dataset has no task slide_up; its tasks are slide_left, slide_right",
        ),
        ("model.autoencoder.components=8", "has model.autoencoder.components 12, the recipe 8"),
        ("model.text_encoder.hidden=64", "the checkpoint's text_encoder is not of the recipe's sizes: size mismatch"),
        ("model.difference_channels=4", "has model.difference_channels None, the recipe 4"),
    ],
)
def test_a_start_that_does_not_fit_is_named(dataset, other_task, tmp_path, capsys, option, problem):
    assert main(arguments(dataset, tmp_path, f"model.weights={other_task}", option)) == 1
    error = capsys.readouterr().err
    assert problem in error and "Traceback" not in error


def test_a_checkpoint_of_another_horizon_is_refused(other_task, tmp_path, capsys):
    dataset = make_moving_squares(tmp_path / "squares", horizon=4)
    assert main(arguments(dataset, tmp_path / "run", f"model.weights={other_task}")) == 1
    message = "predicts 8 steps (0.48 s) ahead, but the dataset's pairs are 4 steps (0.24 s) apart"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("horizon", "step_duration", "problem"),
    [
        (8, 0.06, None),
        (8, 0.0605, None),  # a camera's own clock
        (16, 0.03, None),  # the same moment in other steps
        (8, 0.03, "predicts 8 steps (0.48 s) ahead, but the dataset's pairs are 8 steps (0.24 s) apart"),
        (8, 0.03, "build a dataset with --horizon 16"),
        (4, 0.12, None),
    ],
)
def test_horizons_are_compared_in_seconds(dataset, other_task, horizon, step_duration, problem):
    manifest = replace(load_manifest(dataset), horizon=horizon, step_duration=step_duration)
    with nullcontext() if problem is None else pytest.raises(WeightsError, match=re.escape(problem)):
        check_horizon(other_task, manifest)


@pytest.mark.parametrize(
    ("horizon", "step_duration", "problem"),
    [
        (4, 0.06, None),
        (8, 0.06, None),
        (12, 0.06, None),
        (13, 0.06, "predicts 4 to 12 steps (0.24 to 0.72 s) ahead"),
        (16, 0.03, "was trained on steps of 0.06 s, in which it counts horizons"),
        (16, 0.03, "--fps 16.67"),
    ],
)
def test_a_checkpoint_of_several_horizons_takes_those_in_its_own_steps(
    dataset, other_task, tmp_path, horizon, step_duration, problem
):
    shutil.copytree(other_task, tmp_path / "several")
    write_checkpoint_info(tmp_path / "several", replace(read_checkpoint_info(other_task), horizons=(4, 12)))
    manifest = replace(load_manifest(dataset), horizon=horizon, step_duration=step_duration)
    with nullcontext() if problem is None else pytest.raises(WeightsError, match=re.escape(problem)):
        check_horizon(tmp_path / "several", manifest)


def test_overrides_may_stand_between_options(dataset, tmp_path):
    command = arguments(dataset, tmp_path, "optimization.max_steps=2", "--dry-run", "run.log_every=1")
    assert main(command) == 0
