"""Which frames a sample is about, when horizon and past are conditions."""

from dataclasses import replace

import numpy as np
import pytest
from moving_squares import make_moving_squares

from training.dataset.index import load_manifest, load_split
from training.trainer.conditions import Conditions
from training.trainer.pair_table import NO_FRAME, make_pair_table
from training.trainer.recipe import Data
from training.trainer.sampler import Sampler

SAMPLES = 600


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    dataset = make_moving_squares(tmp_path_factory.mktemp("squares"))
    return make_pair_table(load_split(dataset, "train"), load_manifest(dataset))


def place(table, frame):
    """Episode and number of a frame, from its file name."""
    episode, number = table.frames[frame].stem.removeprefix("episode").split("_frame")
    return table.frames[frame].parent.name, int(episode), int(number)


def test_every_stored_frame_of_an_episode_is_found_by_its_number(table):
    for pair in range(len(table)):
        stored = table.stored[table.episode[pair]]
        assert stored[table.position[pair]] == table.current[pair]
        assert stored[table.position[pair] + table.horizon] == table.future[pair]


def test_without_conditions_a_sample_is_the_pair(table):
    draw = Sampler(table, Data(), seed=0).draw(0, 50)
    assert (draw.current == table.current[draw.pairs]).all() and (draw.future == table.future[draw.pairs]).all()
    assert (draw.horizons == table.horizon).all() and draw.past.shape == (50, 0)


def test_a_conditioned_recipe_draws_the_same_pairs_words_and_noise(table):
    plain = Sampler(table, Data(), seed=0).draw(0, 50)
    conditioned = Sampler(table, Data(), 0, Conditions(horizons=(1, 9), history=(1, 2))).draw(0, 50)
    for name in ("pairs", "instructions", "mirrored", "seeds"):
        assert np.array_equal(getattr(plain, name), getattr(conditioned, name))


def test_horizons_are_what_lies_between_the_frames_and_all_of_an_episode_occurs(table):
    longest = max(len(stored) for stored in table.stored) - 1
    conditions = Conditions(horizons=(1, longest), horizon_share=0.25, history=(1, 3), history_dropout=0.4)
    draw = Sampler(table, Data(), 0, conditions).draw(0, SAMPLES)
    for current, future, horizon in zip(draw.current, draw.future, draw.horizons, strict=True):
        (task, episode, now), (*other, later) = place(table, current), place(table, future)
        assert [task, episode] == other and later - now == horizon
    assert set(draw.horizons) == set(range(1, longest + 1))
    assert 0.25 <= (draw.horizons == table.horizon).mean() < 0.6
    assert set(draw.current) | set(draw.future) == set(range(len(table.frames)))
    short, long = ((draw.horizons == horizon).sum() for horizon in (1, longest))
    assert short > long > 0


def test_the_past_lies_its_steps_back_and_is_left_out_as_often_as_asked(table):
    conditions = Conditions(history=(1, 3), history_dropout=0.4)
    draw = Sampler(table, Data(), 0, conditions).draw(0, SAMPLES)
    for current, past in zip(draw.current, draw.past, strict=True):
        for steps, frame in zip((1, 3), past, strict=True):
            if frame != NO_FRAME:
                assert place(table, frame)[:2] == place(table, current)[:2]
                assert place(table, current)[2] - place(table, frame)[2] == steps
    late = np.array([place(table, current)[2] >= 3 for current in draw.current])
    none, nearest, both = (((draw.past[late] != NO_FRAME).sum(axis=1) == count).mean() for count in (0, 1, 2))
    assert none == pytest.approx(0.4, abs=0.08) and nearest == pytest.approx(0.1, abs=0.05) and both > 0.4
    first = np.array([place(table, current)[2] == 0 for current in draw.current])
    assert first.any() and (draw.past[first] == NO_FRAME).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizons": (5, 1)}, "horizons must be null or"),
        ({"history": (2, 1)}, "history must be ascending"),
        ({"history": (0,)}, "history must be ascending"),
        ({"history_dropout": 0.9}, "history_dropout must be between 0 and 0.8"),
    ],
)
def test_impossible_conditions_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Conditions(**options)


def test_in_a_clamped_dataset_horizons_go_past_the_end_where_the_last_frame_stands_for_what_follows(tmp_path):
    dataset = make_moving_squares(tmp_path)
    table = make_pair_table(load_split(dataset, "train"), replace(load_manifest(dataset), tail="clamp"))
    last = len(table.stored[0]) - 1
    draw = Sampler(table, Data(), 0, Conditions(horizons=(1, 2 * last), horizon_share=0)).draw(0, SAMPLES)
    beyond = 0
    for current, future, horizon in zip(draw.current, draw.future, draw.horizons, strict=True):
        now, later = place(table, current)[2], place(table, future)[2]
        assert later == min(now + horizon, last)
        beyond += now + horizon > last
    assert SAMPLES / 10 < beyond < SAMPLES and max(draw.horizons) > last
