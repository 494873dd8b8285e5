"""Pairs, the sampler and the noise."""

import numpy as np
import pytest
import torch
from moving_squares import TASKS, make_moving_squares

from training.dataset.index import load_manifest, load_split
from training.trainer.conditions import Conditions
from training.trainer.pair_table import NO_MIRROR, choose_samples, make_pair_table
from training.trainer.recipe import Data
from training.trainer.sampler import Sampler, draw_noise


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def rows(dataset):
    return load_split(dataset, "train")


@pytest.fixture(scope="module")
def table(dataset, rows):
    return make_pair_table(rows, load_manifest(dataset))


def concatenate(draws, name):
    return np.concatenate([getattr(draw, name) for draw in draws])


def test_chosen_samples_are_a_random_share(rows):
    chosen = choose_samples(rows, 20, seed=1)
    assert len(chosen) == 20 and chosen == [row for row in rows if row in chosen]
    assert chosen == choose_samples(rows, 20, seed=1) != choose_samples(rows, 20, seed=2)
    assert choose_samples(rows, None, 0) == choose_samples(rows, 10**6, 0) == rows


def test_pair_table_knows_every_phrasing_of_an_episode(table, rows):
    for index in (0, len(table) - 1):
        texts = {table.instructions[choice] for choice in table.choices[index]}
        assert texts == set(TASKS[rows[index].task])
        assert table.frames[table.current[index]] == rows[index].input_image
        assert table.frames[table.future[index]] == rows[index].edited_image
    assert set(table.mirrored) == {NO_MIRROR}


def test_a_batch_is_made_of_numbered_samples(table):
    """The same samples in one process or two, at once or accumulated, resumed or not."""
    sampler = Sampler(table, Data(), seed=1)
    whole = sampler.draw(0, 12)
    parts = [Sampler(table, Data(), seed=1).draw(first, 4) for first in (0, 4, 8)]
    for name in ("pairs", "instructions", "mirrored", "seeds"):
        assert np.array_equal(getattr(whole, name), concatenate(parts, name))
    assert len(set(whole.seeds)) == 12
    assert not np.array_equal(Sampler(table, Data(), seed=2).draw(0, 12).pairs, whole.pairs)


def test_balanced_tasks_are_drawn_equally_often(dataset, rows):
    few_of_one = make_pair_table(rows[40:], load_manifest(dataset))
    drawn = Sampler(few_of_one, Data(balance_tasks=True), seed=0).draw(0, 3000).pairs
    assert abs((few_of_one.task[drawn] == 0).mean() - 0.5) < 0.03


def test_an_epoch_has_every_pair_once_in_an_order_of_its_own(table):
    sampler = Sampler(table, Data(balance_tasks=False), seed=0)
    first, second = (sampler.draw(epoch * len(table), len(table)).pairs for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(len(table)))
    assert not np.array_equal(first, second)


def test_mirrored_samples_have_mirrored_words(dataset, rows):
    table = make_pair_table(rows, load_manifest(dataset), mirror=True)
    draw = Sampler(table, Data(mirror=True), seed=0).draw(0, 400)
    told = {"slide the square to the right": "slide_right", "slide the square to the left": "slide_left"}
    tasks = sorted(TASKS)
    for pair, instruction, mirrored in zip(draw.pairs, draw.instructions, draw.mirrored, strict=True):
        text = table.instructions[instruction]
        if text in told:
            assert (told[text] != tasks[table.task[pair]]) == mirrored
        else:
            assert not mirrored  # "push it left" may mean anything
    assert 0.15 < draw.mirrored.mean() < 0.35  # half of the half that can be mirrored


def test_noise_of_a_sample_is_the_same_in_every_batch():
    together = draw_noise(np.array([5, 6]), (3, 4, 5), 1000, 0.5)
    alone = draw_noise(np.array([6]), (3, 4, 5), 1000, 0.5)
    for name, values in vars(together).items():
        assert torch.equal(values[1:], vars(alone)[name])
    assert not torch.equal(together.noise, together.posterior)


def test_timesteps_are_uniform_but_for_the_share_at_the_last():
    timesteps = draw_noise(np.arange(4000), (1, 1, 1), 1000, 0.8).timesteps
    assert abs((timesteps == 999).float().mean() - 0.8) < 0.03 and timesteps.min() < 20
    timesteps = draw_noise(np.arange(4000), (1, 1, 1), 1000, 0.0).timesteps
    assert abs(timesteps.float().mean() - 499.5) < 20 and timesteps.max() <= 999


def test_tasks_have_the_shares_that_the_recipe_says(table):
    draw = Sampler(table, Data(shares={"slide_left": 0.8}), seed=0).draw(0, 500)
    assert 0.75 < (table.task[draw.pairs] == table.tasks.index("slide_left")).mean() < 0.85
    with pytest.raises(ValueError, match="no task slide_up"):
        Sampler(table, Data(shares={"slide_up": 0.8}), seed=0)
    with pytest.raises(ValueError, match="leave 0.5 for the other tasks"):
        Sampler(table, Data(shares={"slide_left": 0.25, "slide_right": 0.25}), seed=0)
    with pytest.raises(ValueError, match="at most 1 together"):
        Data(shares={"slide_left": 1.2})


def test_openings_are_first_frames_at_the_datasets_horizon(table, monkeypatch):
    monkeypatch.setattr("training.trainer.sampler.OPENING", 3)
    conditions = Conditions(horizons=(1, 5), horizon_share=0)
    draw = Sampler(table, Data(openings={"slide_left": 0.7}), 0, conditions).draw(0, 500)
    left = table.task[draw.pairs] == table.tasks.index("slide_left")
    opening = (table.position[draw.pairs] < 3) & (draw.horizons == table.horizon)
    assert 0.6 < opening[left].mean() < 0.8 and not opening[~left].any()
    assert (draw.current[opening] == table.current[draw.pairs[opening]]).all()
    with pytest.raises(ValueError, match="no task slide_up"):
        Sampler(table, Data(openings={"slide_up": 0.5}), seed=0)
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        Data(openings={"slide_left": 2.0})
