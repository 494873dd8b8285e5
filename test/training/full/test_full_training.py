"""Every recipe of ours for pretrained weights, for a few steps on tiny weights of the right classes."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline, UNet2DConditionModel
from moving_squares import make_moving_squares
from safetensors.torch import load_file
from tiny_checkpoint import make_tiny_full_checkpoint
from training_runs import (
    ROOT,
    TINY,
    arguments,
    assert_same_training,
    free_port,
    launch,
    newest_state,
    run_in_pair,
    start,
    wait_for,
)

from framepred_ros import FramePredictor
from framepred_ros.prediction.checkpoint import read_checkpoint_info
from training.dataset.index import load_split
from training.dataset.stored_pairs import read_frame
from training.train import main

FEW_SAMPLING_STEPS = "model.sampling.steps=2"
START = {"fine_tuning_1": 8, "fine_tuning_2": 8, "training_1": 4, "training_2": 4, "full": 8, "full_lora": 4}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"), stride=4)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Folders of tiny weights by the input channels of their UNet."""
    folder = tmp_path_factory.mktemp("weights")
    return {
        channels: make_tiny_full_checkpoint(folder / str(channels), in_channels=channels, seed=channels)
        for channels in (4, 8)
    }


def command(recipe, dataset, output, weights, *more) -> list[str]:
    return arguments(dataset, output, *TINY, f"model.weights={weights}", FEW_SAMPLING_STEPS, *more, recipe=recipe)


@pytest.mark.parametrize("recipe", START)
def test_every_recipe_ends_in_a_checkpoint_that_opens(recipe, dataset, weights, tmp_path):
    start = weights[START[recipe]]
    assert main(command(recipe, dataset, tmp_path, start)) == 0
    checkpoint = tmp_path / "checkpoint"
    info = read_checkpoint_info(checkpoint)
    assert (info.horizon, info.resolution, info.steps, info.prediction_target) == (8, (64, 96), 2, "future")
    assert info.recipe["name"] == recipe and info.metrics["step"] == 4
    assert f"# {recipe}: the camera frame 8 steps ahead" in (checkpoint / "README.md").read_text()
    row = load_split(dataset, "test")[0]
    image = read_frame(row.input_image)
    assert FramePredictor.from_pretrained(checkpoint, device="cpu").predict(image, row.prompt).shape == image.shape
    trained = StableDiffusionInstructPix2PixPipeline.from_pretrained(checkpoint, dtype=torch.float32).unet
    assert trained.config.in_channels == 8
    before = UNet2DConditionModel.from_pretrained(start, subfolder="unet")
    changed = (trained.conv_out.weight - before.conv_out.weight).abs().max()
    assert 0 < changed < 0.1


def test_adapters_leave_the_other_weights_alone(dataset, weights, tmp_path):
    rate = "optimization.learning_rate=1e-2"
    assert main(command("full_lora", dataset, tmp_path, weights[8], rate, "model.lora.rank=2")) == 0
    before = load_file(weights[8] / "unet" / "diffusion_pytorch_model.safetensors")
    after = load_file(tmp_path / "checkpoint" / "unet" / "diffusion_pytorch_model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.allclose(before[name].half(), after[name], atol=1e-3)}
    trained = ("to_q", "to_k", "to_v", "to_out", "conv_in", "conv_out")
    assert changed and all(any(part in name for part in trained) for name in changed)
    assert any("to_q" in name for name in changed)
    state = load_file(newest_state(tmp_path))
    assert not any("resnets" in name for name in state)  # frozen weights are not saved again and again


def test_a_resumed_run_ends_like_an_uninterrupted_one(dataset, weights, tmp_path):
    stopped, resumed = ("run.max_minutes=0", "run.log_every=1"), ("--resume", "auto")
    for output, runs in {"once": [()], "twice": [stopped, resumed]}.items():
        for more in runs:
            assert main(command("full_lora", dataset, tmp_path / output, weights[4], *more)) == 0
    once, twice = (load_file(newest_state(tmp_path / output)) for output in ("once", "twice"))
    assert once.keys() == twice.keys()
    assert [name for name in once if not torch.equal(once[name], twice[name])] == []


def test_two_processes_train_as_one_with_twice_the_batch(dataset, weights, tmp_path):
    more = ("data.mirror=true", "optimization.gradient_accumulation=2", "optimization.learning_rate=1e-3")
    single = command("full", dataset, tmp_path / "one", weights[8], *more, "optimization.batch_size=4")
    assert main(single) == 0
    assert run_in_pair(command("full", dataset, tmp_path / "two", weights[8], *more)) == [0, 0]
    assert_same_training(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_two_processes_that_share_the_model_train_as_one_with_twice_the_batch(dataset, weights, tmp_path):
    more = ("optimization.learning_rate=1e-3", "run.save_every=2")
    assert main(command("full", dataset, tmp_path / "one", weights[8], *more, "optimization.batch_size=4")) == 0
    sharded = [ROOT / "test" / "fsdp_on_cpu.py", *command("full", dataset, tmp_path / "two", weights[8], *more)]
    wait_for([launch("fsdp", "--num_processes", 2, "--main_process_port", free_port(), *sharded)])
    assert_same_training(tmp_path / "one", tmp_path / "two")
    finished = newest_state(tmp_path / "two")
    two = load_file(finished)
    finished.unlink()
    wait_for([launch("fsdp", "--num_processes", 2, "--main_process_port", free_port(), *sharded, "--resume", "auto")])
    resumed = load_file(finished)
    assert [name for name in two if not torch.equal(two[name], resumed[name])] == []
    FramePredictor.from_pretrained(tmp_path / "two" / "checkpoint", device="cpu")


def test_weights_of_another_horizon_are_refused(dataset, tmp_path, capsys):
    start = make_tiny_full_checkpoint(tmp_path / "start", with_info=True, horizon=50)
    assert main(command("full", dataset, tmp_path / "run", start)) == 1
    assert "predicts 50 steps ahead, but the dataset's pairs are 8 steps (0.48 s) apart" in capsys.readouterr().err


def test_missing_weights_are_one_line(dataset, tmp_path, capsys):
    assert main(command("full", dataset, tmp_path, "nobody/nothing")) == 1
    message = capsys.readouterr().err
    assert "hf download nobody/nothing" in message and message.count("\n") == 1


def test_half_precision_with_a_scaler_needs_a_gpu(dataset, weights, tmp_path, capsys):
    assert main(command("full", dataset, tmp_path, weights[8], "run.mixed_precision=fp16")) == 1
    assert "fp16 needs a GPU; say run.mixed_precision=no" in capsys.readouterr().err


def test_bfloat16_trains(dataset, weights, tmp_path):
    # In a process of its own: accelerate settles on one precision for a process's life.
    process = start(command("full_lora", dataset, tmp_path, weights[4], "run.mixed_precision=bf16"))
    process.join(120)
    assert process.exitcode == 0
    for path in (tmp_path / "cache").glob("*.npy"):
        assert np.load(path, mmap_mode="r").dtype == np.float16
