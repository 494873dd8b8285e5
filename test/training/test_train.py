"""`python -m training.train` as a whole, with the smoke recipe."""

import json
import os
import re
import resource
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from moving_squares import make_moving_squares
from safetensors.torch import load_file
from training_runs import (
    arguments,
    assert_same_training,
    free_port,
    launch,
    newest_state,
    run_in_pair,
    start,
    steps_saved,
    wait_for,
)

from framepred_ros import FramePredictor
from framepred_ros.prediction.checkpoint import read_checkpoint_info
from training.dataset.index import load_split
from training.dataset.stored_pairs import read_frame
from training.small.learner import SmallLearner
from training.train import main
from training.trainer.run_log import read_log
from training.trainer.validation import score


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    """The output folder of an uninterrupted run."""
    output = tmp_path_factory.mktemp("finished")
    assert main(arguments(dataset, output)) == 0
    return output


def wait_until(condition, process) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.002)


def kill(process) -> None:
    process.kill()
    process.join()


def test_run_writes_a_checkpoint_with_its_story(finished, dataset):
    checkpoint = finished / "checkpoint"
    info = read_checkpoint_info(checkpoint)
    assert (info.horizon, info.step_duration, info.resolution, info.steps) == (8, 0.06, (64, 96), 1)
    assert (info.prediction_target, info.tasks) == ("difference", ("slide_left", "slide_right"))
    assert info.metrics["step"] == 12 and info.metrics["validation"]["overall"]["pairs"] == 4
    assert info.recipe["model"]["unet"]["channels"] == [32, 32]
    card = (checkpoint / "README.md").read_text()
    assert "seed 0, 12 steps of\n4 pairs on each process" in card and "| slide_left | 2 |" in card
    suffixes = {path.suffix for path in checkpoint.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors", ".md", ".png"}
    pictures = {"step_000006.png", "step_000012.png", "scores.png"}
    assert {path.name for path in (finished / "validation").iterdir()} == pictures | {"scores.jsonl"}
    assert (finished / "loss.png").stat().st_size > 1000 and (finished / "recipe.yaml").is_file()
    assert list((finished / "tensorboard").iterdir())
    assert not [path for path in finished.rglob(".*") if path.suffix in (".tmp", ".old")]


def test_the_best_checkpoint_is_kept(finished):
    best, last = (read_checkpoint_info(finished / name) for name in ("checkpoint-best", "checkpoint"))
    assert best.metrics["step"] in (6, 12)
    assert score(best.metrics["validation"]) >= score(last.metrics["validation"])


def test_weights_are_half_precision(finished):
    for path in (finished / "checkpoint").rglob("*.safetensors"):
        assert {tensor.dtype for tensor in load_file(path).values() if tensor.is_floating_point()} == {torch.float16}


def test_predictor_and_diffusers_open_the_checkpoint(finished, dataset):
    row = load_split(dataset, "test")[0]
    image = read_frame(row.input_image)
    predicted = FramePredictor.from_pretrained(finished / "checkpoint", device="cpu").predict(image, row.prompt)
    assert predicted.shape == image.shape
    assert np.abs(predicted.astype(int) - image).mean() < 40
    StableDiffusionInstructPix2PixPipeline.from_pretrained(finished / "checkpoint")


def test_log_tells_every_step_once(finished):
    lines = read_log(finished / "log.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert all(line["loss"] > 0 and line["seconds_per_step"] > 0 for line in lines)


def test_killed_at_any_moment_a_run_ends_like_an_uninterrupted_one(finished, dataset, tmp_path):
    """Killed after some steps, while it writes a state, and while it writes a checkpoint folder."""
    command = arguments(dataset, tmp_path, "--resume", "auto", "run.save_every=1", "run.keep_states=2")
    moments = (
        lambda: steps_saved(tmp_path) >= 2,
        lambda: list((tmp_path / "states").glob(".*.tmp")),
        lambda: list(tmp_path.glob(".checkpoint.*.tmp/vae")),
    )
    for moment in moments:
        process = start(command)
        wait_until(moment, process)
        kill(process)
        before = steps_saved(tmp_path)
        assert 0 < before < 12
    assert main(command) == 0
    assert not list(tmp_path.glob(".*"))
    expected, resumed = load_file(newest_state(finished)), load_file(newest_state(tmp_path))
    assert steps_saved(tmp_path) == 12 and expected.keys() == resumed.keys()
    assert [name for name in expected if not torch.equal(expected[name], resumed[name])] == []
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == list(range(1, 13))
    assert sorted(path.name for path in (tmp_path / "states").iterdir()) == [
        "step_00000011.safetensors",
        "step_00000012.safetensors",
    ]


def test_a_damaged_state_is_passed_over(dataset, tmp_path, caplog):
    command = arguments(dataset, tmp_path, "--resume", "auto", "run.save_every=1", "run.max_minutes=0")
    for _ in range(2):
        assert main(command) == 0
    saved = steps_saved(tmp_path)
    newest = newest_state(tmp_path)
    os.truncate(newest, newest.stat().st_size // 2)
    assert main(command) == 0
    assert f"{newest} is damaged" in caplog.text and steps_saved(tmp_path) >= saved


def test_two_processes_train_as_one_with_twice_the_batch(dataset, tmp_path):
    assert main(arguments(dataset, tmp_path / "one", "optimization.batch_size=8", "optimization.max_steps=4")) == 0
    assert run_in_pair(arguments(dataset, tmp_path / "two", "optimization.max_steps=4")) == [0, 0]
    assert_same_training(tmp_path / "one", tmp_path / "two")


def test_gradient_checkpointing_leaves_the_weights_as_they_are(dataset, tmp_path):
    for output, value in {"one": "false", "two": "true"}.items():
        more = ["optimization.max_steps=2", f"run.gradient_checkpointing={value}"]
        assert main(arguments(dataset, tmp_path / output, *more)) == 0
    assert_same_training(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_two_machines_train_as_one_with_twice_the_batch(dataset, tmp_path):
    assert main(arguments(dataset, tmp_path / "one", "optimization.batch_size=8", "optimization.max_steps=4")) == 0
    train = ["-m", "training.train", *arguments(dataset, tmp_path / "two", "optimization.max_steps=4")]
    shared = ["--num_processes", 2, "--main_process_ip", "127.0.0.1", "--main_process_port", free_port()]
    wait_for([launch("multi_node", *shared, "--machine_rank", rank, *train) for rank in (0, 1)])
    assert_same_training(tmp_path / "one", tmp_path / "two")


def test_longer_training_learns(dataset, tmp_path):
    """Far from converged, but better than the untrained model, on episodes it never saw."""
    more = ["optimization.max_steps=150", "run.validate_every=1000", "optimization.batch_size=8", "run.log_every=10"]
    assert main(arguments(dataset, tmp_path, *more)) == 0
    losses = [line["loss"] for line in read_log(tmp_path / "log.jsonl")]
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])
    overall = read_checkpoint_info(tmp_path / "checkpoint").metrics["validation"]["overall"]
    assert overall["prediction"]["psnr"]["mean"] > overall["copy"]["psnr"]["mean"] + 0.5


def test_time_limit_stops_saved(dataset, tmp_path):
    assert main(arguments(dataset, tmp_path, "run.max_minutes=0", "run.log_every=1")) == 0
    assert steps_saved(tmp_path) == 1
    assert (tmp_path / "checkpoint" / "framepred.json").is_file()


def test_a_dry_run_writes_nothing_and_tells_the_memory(dataset, tmp_path, capfd):
    assert main(arguments(dataset, tmp_path / "run", "--dry-run")) == 0
    assert not (tmp_path / "run").exists()
    assert re.search(r"activations\D+\d+\D+total\D+\d+", capfd.readouterr().err)


def test_a_finished_run_is_not_overwritten(finished, dataset, capsys):
    assert main(arguments(dataset, finished)) == 1
    assert "use --resume auto, or another --output" in capsys.readouterr().err


def test_a_state_of_another_recipe_is_refused(finished, dataset, capsys):
    assert main(arguments(dataset, finished, "--resume", "auto", "seed=5")) == 1
    assert "belongs to another run: seed differ" in capsys.readouterr().err


@pytest.mark.parametrize("recipe, problem", [("sede: 1", "unknown key sede"), (None, "cannot be read")])
def test_bad_input_is_one_line(dataset, tmp_path, capsys, recipe, problem):
    path = tmp_path / "bad.yaml"
    if recipe:
        path.write_text(recipe)
    assert main(["--recipe", str(path), "--dataset", str(dataset), "--output", str(tmp_path / "out")]) == 1
    message = capsys.readouterr().err
    assert problem in message and message.count("\n") == 1


def test_a_folder_that_is_no_dataset_is_named(tmp_path, capsys):
    assert main(arguments(tmp_path, tmp_path / "out")) == 1
    assert "not a dataset folder" in capsys.readouterr().err


def test_a_dataset_with_other_columns_is_named(dataset, tmp_path, capsys):
    folder = make_moving_squares(tmp_path / "squares", episodes=2, frames=10)
    rows = folder / "train" / "metadata.jsonl"
    rows.write_text(rows.read_text().replace('"edit_prompt"', '"caption"'))
    assert main(arguments(folder, tmp_path / "out")) == 1
    message = capsys.readouterr().err
    assert "metadata.jsonl: line 1 is malformed" in message and "edit_prompt" in message


def test_a_dataset_of_another_horizon_does_not_continue_a_run(finished, tmp_path, capsys):
    other = make_moving_squares(tmp_path / "squares", horizon=4, frames=16)
    assert main(arguments(other, finished, "--resume", "auto")) == 1
    assert "belongs to another run: dataset, horizon differ" in capsys.readouterr().err


def test_divergence_keeps_the_states_before_it(dataset, tmp_path, capsys, monkeypatch):
    """A loss that is no number from the seventh step on."""
    plain = SmallLearner.loss
    calls = []

    def diverging(self, model, batch):
        calls.append(1)
        loss, values = plain(self, model, batch)
        return (loss * float("nan") if len(calls) >= 7 else loss), values

    monkeypatch.setattr(SmallLearner, "loss", diverging)
    assert main(arguments(dataset, tmp_path, "run.save_every=4")) == 1
    assert "at step 7: the run has diverged" in capsys.readouterr().err
    assert steps_saved(tmp_path) == 4
    assert all(torch.isfinite(tensor).all() for tensor in load_file(newest_state(tmp_path)).values())


def test_out_of_memory_is_one_line_with_a_remedy(dataset, tmp_path, capsys, monkeypatch):
    """A real allocation that fails."""
    monkeypatch.setattr(SmallLearner, "loss", lambda self, model, batch: torch.empty(2**56))
    assert main(arguments(dataset, tmp_path)) == 1
    message = capsys.readouterr().err
    assert "train: out of memory" in message and "Halve optimization.batch_size" in message


def test_a_full_disk_ends_the_run_and_leaves_the_older_states(dataset, tmp_path, capsys):
    """The limit of a file's size stands in for the disk's: writing fails in the middle in the same way."""
    command = arguments(dataset, tmp_path, "--resume", "auto", "run.save_every=2", "run.max_minutes=0")
    assert main(command) == 0
    saved = load_file(newest_state(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (newest_state(tmp_path).stat().st_size // 2, limits[1]))
    try:
        assert main(arguments(dataset, tmp_path, "--resume", "auto", "run.save_every=2")) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot be written" in capsys.readouterr().err
    assert load_file(newest_state(tmp_path)).keys() == saved.keys() and steps_saved(tmp_path) == 2
    assert not list((tmp_path / "states").glob(".*.tmp"))


def test_a_picture_of_the_users_is_predicted_at_every_validation(dataset, tmp_path):
    image = Path(load_split(dataset, "test")[0].input_image)
    more = ("optimization.max_steps=1", f"validation.image={image}")
    assert main(arguments(dataset, tmp_path, *more)) == 0
    assert cv2.imread(str(tmp_path / "validation" / "image_000001.png")).shape == (64, 96, 3)


def test_resolved_options_lie_beside_the_checkpoint(finished):
    assert json.loads((finished / "checkpoint" / "framepred.json").read_text())["recipe"]["name"] == "smoke"
    assert "name: smoke" in (finished / "recipe.yaml").read_text()
