"""`python -m training.train` as a whole, with the smoke recipe."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from moving_squares import make_moving_squares
from safetensors import safe_open
from safetensors.torch import load_file

from framepred_ros import FramePredictor
from framepred_ros.checkpoint import read_checkpoint_info
from training.dataset_index import load_split
from training.evaluation.pair_data import read_frame
from training.small.run_log import read_log
from training.small.state import FILE_NAME
from training.train import main

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "training" / "recipes" / "smoke.yaml"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    """The output folder of an uninterrupted run."""
    output = tmp_path_factory.mktemp("finished")
    assert main(arguments(dataset, output)) == 0
    return output


def arguments(dataset, output, *more) -> list[str]:
    return ["--recipe", str(RECIPE), "--dataset", str(dataset), "--output", str(output), "--device", "cpu", *more]


def steps_done(output: Path) -> int:
    path = output / FILE_NAME
    if not path.is_file():
        return 0
    with safe_open(path, "pt") as file:
        return int(file.metadata()["step"])


def kill_after(steps: int, command: list[str], output: Path) -> None:
    """Starts a training run and kills it, without warning, once it has saved that many steps."""
    process = subprocess.Popen([sys.executable, "-m", "training.train", *command], cwd=ROOT, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while steps_done(output) < steps:
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read().decode()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_run_writes_a_checkpoint_with_its_story(finished, dataset):
    checkpoint = finished / "checkpoint"
    info = read_checkpoint_info(checkpoint)
    assert (info.horizon, info.step_duration, info.resolution, info.steps) == (8, 0.06, (64, 96), 1)
    assert (info.prediction_target, info.tasks) == ("difference", ("slide_left", "slide_right"))
    assert info.metrics["step"] == 12 and info.metrics["validation"]["overall"]["pairs"] == 4
    assert info.recipe["unet"]["channels"] == [32, 32]
    card = (checkpoint / "README.md").read_text()
    assert "seed 0, 12 steps of 4 pairs" in card and "| slide_left | 2 |" in card
    assert {path.suffix for path in checkpoint.rglob("*") if path.is_file()} == {".json", ".safetensors", ".md"}
    assert {path.name for path in (finished / "validation").iterdir()} == {"step_000006.png", "step_000012.png"}
    assert (finished / "loss.png").stat().st_size > 1000 and (finished / "recipe.yaml").is_file()
    assert not [path for path in finished.rglob(".*") if path.suffix in (".tmp", ".old")]


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


def test_log_tells_every_logged_step_once(finished):
    lines = read_log(finished / "log.jsonl")
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 10, 12]
    assert all(line["loss"] > 0 and line["seconds_per_step"] > 0 for line in lines)


def test_killed_run_ends_like_an_uninterrupted_one(finished, dataset, tmp_path):
    command = arguments(dataset, tmp_path, "--resume", "auto", "run.save_every_minutes=0", "run.validate_every=1000")
    for steps in (3, 7):
        kill_after(steps, command, tmp_path)
    assert 0 < steps_done(tmp_path) < 12
    assert main(command) == 0
    expected, resumed = load_file(finished / FILE_NAME), load_file(tmp_path / FILE_NAME)
    assert steps_done(tmp_path) == 12 and expected.keys() == resumed.keys()
    different = [name for name in expected if not torch.equal(expected[name], resumed[name])]
    assert different == []
    steps = [line["step"] for line in read_log(tmp_path / "log.jsonl")]
    assert steps == sorted(set(steps))


def test_longer_training_learns(dataset, tmp_path):
    """Far from converged, but better than the untrained model, on episodes it never saw."""
    more = ["optimization.max_steps=150", "run.validate_every=1000", "optimization.batch_size=8", "run.log_every=10"]
    assert main(arguments(dataset, tmp_path, *more)) == 0
    lines = read_log(tmp_path / "log.jsonl")
    assert lines[-1]["loss"] < 0.6 * lines[0]["loss"]
    overall = read_checkpoint_info(tmp_path / "checkpoint").metrics["validation"]["overall"]
    assert overall["prediction"]["psnr"]["mean"] > overall["copy"]["psnr"]["mean"] + 1


def test_time_limit_stops_saved(dataset, tmp_path):
    assert main(arguments(dataset, tmp_path, "run.max_minutes=0", "run.validate_every=1000")) == 0
    assert steps_done(tmp_path) == 1
    assert (tmp_path / "checkpoint" / "framepred.json").is_file()


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


def test_log_survives_a_line_cut_short(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"step": 2}) + '\n{"step": 4, "lo')
    assert read_log(path) == [{"step": 2}]
