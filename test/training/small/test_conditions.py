"""Conditions that the small model is trained without, so that it can be run with guidance."""

import pytest
import torch
from accelerate import Accelerator
from moving_squares import make_moving_squares
from training_runs import RECIPES

from training.runs.session import load_data, make_learner
from training.trainer.recipe_file import read_recipe
from training.trainer.sampler import Sampler

SAMPLES = 120


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"))


def train_on(dataset, folder, probability):
    """Learner, batch, what the model sees as image and text conditions, and the loss; of the same samples, whatever
    the probability."""
    recipe = read_recipe(RECIPES / "smoke.yaml", [f"model.loss.conditioning_dropout={probability}"])
    data = load_data(recipe, dataset)
    learner = make_learner(recipe, data)
    learner.prepare(data.table, folder, Accelerator(cpu=True))
    batch = learner.load(Sampler(data.table, recipe.data, seed=0).draw(0, SAMPLES))
    seen = []

    def model(noisy, condition, timesteps, tokens, horizons):
        seen.extend((condition, tokens))
        return torch.zeros_like(noisy)

    loss, _ = learner.loss(model, batch)
    return learner, batch, *seen, loss


def test_text_image_and_both_are_left_out_and_nothing_else_changes(dataset, tmp_path):
    _, whole, all_images, all_tokens, _ = train_on(dataset, tmp_path, 0)
    learner, batch, images, tokens, _ = train_on(dataset, tmp_path, 0.2)
    assert torch.equal(all_images, whole.current) and torch.equal(all_tokens, whole.tokens)
    for name in ("current", "future"):
        assert torch.equal(getattr(batch, name), getattr(whole, name))
    empty = learner.tokenizer("", padding="max_length", return_tensors="pt").input_ids
    without_text = (tokens == empty).all(dim=1)
    without_image = (images == 0).flatten(1).all(dim=1)
    assert torch.equal(tokens[~without_text], whole.tokens[~without_text])
    assert torch.equal(images[~without_image], whole.current[~without_image])
    for kind in (without_text & ~without_image, without_text & without_image, ~without_text & without_image):
        assert 0.1 < kind.float().mean() < 0.3


def test_the_target_follows_from_the_frame_whether_the_model_sees_it_or_not(dataset, tmp_path):
    """A change is predicted relative to the current frame."""
    *_, loss_without = train_on(dataset, tmp_path, 1 / 3)
    *_, loss = train_on(dataset, tmp_path, 0)
    torch.testing.assert_close(loss_without, loss)


def test_more_than_every_condition_cannot_be_left_out(dataset):
    with pytest.raises(ValueError, match="conditioning_dropout must be between 0 and 0.333, not 0.4"):
        read_recipe(RECIPES / "smoke.yaml", ["model.loss.conditioning_dropout=0.4"])
