"""Conditions that the small model is trained without, so that it can be run with guidance."""

import pytest
import torch
from accelerate import Accelerator
from moving_squares import make_moving_squares
from training_runs import RECIPES

from training.trainer.recipe_file import read_recipe
from training.trainer.sampler import Sampler
from training.trainer.session import load_data, make_learner

SAMPLES = 120


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"))


def learner_and_batch(dataset, folder, probability):
    """The same samples, whatever the probability."""
    recipe = read_recipe(RECIPES / "smoke.yaml", [f"model.loss.conditioning_dropout={probability}"])
    data = load_data(recipe, dataset)
    learner = make_learner(recipe, data)
    learner.prepare(data.table, folder, Accelerator(cpu=True))
    return learner, learner.load(Sampler(data.table, recipe.data, seed=0).draw(0, SAMPLES))


def test_text_image_and_both_are_left_out_and_nothing_else_changes(dataset, tmp_path):
    _, whole = learner_and_batch(dataset, tmp_path, 0)
    learner, batch = learner_and_batch(dataset, tmp_path, 0.2)
    assert torch.equal(whole.condition, whole.current)
    for name in ("current", "future"):
        assert torch.equal(getattr(batch, name), getattr(whole, name))
    empty = learner.tokenizer("", padding="max_length", return_tensors="pt").input_ids
    without_text = (batch.tokens == empty).all(dim=1)
    without_image = (batch.condition == 0).flatten(1).all(dim=1)
    assert torch.equal(batch.tokens[~without_text], whole.tokens[~without_text])
    assert torch.equal(batch.condition[~without_image], whole.current[~without_image])
    for kind in (without_text & ~without_image, without_text & without_image, ~without_text & without_image):
        assert 0.1 < kind.float().mean() < 0.3


def test_the_model_sees_the_condition_and_the_target_follows_from_the_frame(dataset, tmp_path):
    """A change is predicted relative to the current frame, whether the model sees that or not."""
    learner, batch = learner_and_batch(dataset, tmp_path, 1 / 3)
    seen = []

    def model(noisy, condition, timesteps, tokens):
        seen.append((condition, tokens))
        return torch.zeros_like(noisy)

    loss, _ = learner.loss(model, batch)
    assert torch.equal(seen[0][0], batch.condition) and torch.equal(seen[0][1], batch.tokens)
    _, whole = learner_and_batch(dataset, tmp_path, 0)
    torch.testing.assert_close(loss, learner.loss(model, whole)[0])


def test_more_than_every_condition_cannot_be_left_out(dataset):
    with pytest.raises(ValueError, match="conditioning_dropout must be between 0 and 0.333, not 0.4"):
        read_recipe(RECIPES / "smoke.yaml", ["model.loss.conditioning_dropout=0.4"])
