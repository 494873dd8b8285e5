"""Training on a GPU, in half precision: both learners, interrupted and continued."""

import pytest
import torch
from moving_squares import make_moving_squares
from tiny_checkpoint import make_tiny_full_checkpoint
from training_runs import TINY, arguments, newest_state, steps_saved

from training.train import main
from training.trainer.run_log import FILE_NAME, read_log

pytestmark = pytest.mark.gpu


SLOW = [pytest.param(recipe, marks=pytest.mark.slow) for recipe in ("full", "full_lora")]


@pytest.mark.parametrize("recipe", ["smoke", *SLOW])
def test_a_run_on_a_gpu_trains_and_continues(recipe, tmp_path, gpu, any_precision):
    dataset, output = make_moving_squares(tmp_path / "squares", stride=4), tmp_path / "output"
    overrides = [word for word in TINY if "mixed_precision" not in word] + ["run.save_every=2"]
    if recipe != "smoke":
        weights = make_tiny_full_checkpoint(tmp_path / "weights")
        overrides += [f"model.weights={weights}", "optimization.gradient_accumulation=2", "validation.pairs_per_task=1"]
    words = [word for word in arguments(dataset, output, recipe=recipe) if word not in ("--device", "cpu")]
    words += ["--device", "cpu" if gpu == "cpu" else "auto"]
    assert main([*words, *overrides, "run.mixed_precision=bf16"]) == 0
    assert steps_saved(output) == 4
    newest_state(output).unlink()
    assert main([*words, "--resume", "auto", *overrides, "run.mixed_precision=bf16"]) == 0
    assert steps_saved(output) == 4
    losses = torch.tensor([row["loss"] for row in read_log(output / FILE_NAME)])
    assert len(losses) and losses.isfinite().all()
