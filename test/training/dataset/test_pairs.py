"""Pairs, splits and phrasings: the arithmetic of the dataset."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.dataset.pairs import (
    DRAW_LIMIT,
    choose_phrasings,
    future_frame,
    limit_for,
    pair_starts,
    split_episodes,
    used_frames,
)

EPISODES = [("block_hammer_beat", 0), ("blocks_stack_easy", 17)]


@pytest.mark.parametrize(
    ("frames", "horizon", "stride", "expected"),
    [(53, 50, 1, [0, 1, 2]), (51, 50, 1, [0]), (50, 50, 1, []), (3, 50, 1, []), (60, 50, 4, [0, 4, 8]), (0, 1, 1, [])],
)
def test_pair_starts(frames, horizon, stride, expected):
    assert list(pair_starts(frames, horizon, stride)) == expected


def test_used_frames_are_those_in_a_pair():
    assert used_frames(range(0, 3), 50, 53) == [0, 1, 2, 50, 51, 52]
    assert used_frames(range(0, 4), 2, 6) == [0, 1, 2, 3, 4, 5]
    assert used_frames([], 50, 10) == []


def test_split_is_nine_to_one_within_every_task():
    episodes = [("a", i) for i in range(100)] + [("b", i) for i in range(20)] + [("c", i) for i in range(3)]
    split = split_episodes(episodes, 0.1, seed=42)
    assert split.keys() == set(episodes)
    counts = Counter((task, part) for (task, _), part in split.items())
    assert counts == {
        ("a", "test"): 10,
        ("a", "train"): 90,
        ("b", "test"): 2,
        ("b", "train"): 18,
        ("c", "test"): 1,
        ("c", "train"): 2,
    }


def test_split_depends_on_the_seed_alone():
    episodes = [("a", i) for i in range(50)]
    split = split_episodes(episodes, 0.2, seed=1)
    assert split == split_episodes(reversed(episodes), 0.2, seed=1)
    assert split != split_episodes(episodes, 0.2, seed=2)
    alone = split_episodes([("a", i) for i in range(50)] + [("b", i) for i in range(9)], 0.2, seed=1)
    assert {key: part for key, part in alone.items() if key[0] == "a"} == split


@pytest.mark.parametrize(("fraction", "parts"), [(0, {"train"}), (1, {"test"})])
def test_everything_on_one_side(fraction, parts):
    assert set(split_episodes([("a", i) for i in range(5)], fraction, seed=0).values()) == parts


def test_a_single_episode_is_for_training():
    assert split_episodes([("a", 7)], 0.1, seed=0) == {("a", 7): "train"}


def test_more_episodes_move_few_of_the_old_ones():
    before = split_episodes([("a", i) for i in range(100)], 0.1, seed=3)
    after = split_episodes([("a", i) for i in range(110)], 0.1, seed=3)
    assert sum(before[key] != after[key] for key in before) <= 5


def test_phrasings_are_drawn_evenly_and_repeatably():
    phrasings = ["one", "two", "three", "four"]
    drawn = [choose_phrasings(phrasings, 42, "task", 5, frame)[0] for frame in range(4000)]
    assert drawn == [choose_phrasings(phrasings, 42, "task", 5, frame)[0] for frame in range(4000)]
    assert all(900 < count < 1100 for count in Counter(drawn).values())
    assert drawn != [choose_phrasings(phrasings, 43, "task", 5, frame)[0] for frame in range(4000)]


def test_more_phrasings_are_different_and_begin_with_the_same():
    phrasings = [f"phrasing {number}" for number in range(6)]
    for frame in range(50):
        drawn = choose_phrasings(phrasings, 42, "task", 5, frame, 4)
        assert len(set(drawn)) == 4
        assert drawn[:1] == choose_phrasings(phrasings, 42, "task", 5, frame)
        assert drawn[:2] == choose_phrasings(phrasings, 42, "task", 5, frame, 2)
        assert sorted(choose_phrasings(phrasings, 42, "task", 5, frame, 10)) == phrasings


def test_default_choices_stay_what_they_were():
    """Datasets are rebuilt with the same seed: the split and the phrasings of their pairs must not move."""
    tasks = ("block_hammer_beat", "block_handover", "blocks_stack_easy")
    split = split_episodes([(task, number) for task in tasks for number in range(48)], 0.1, 42)
    assert [[number for number in range(48) if split[task, number] == "test"] for task in tasks] == [
        [3, 8, 15, 30, 38],
        [0, 4, 28, 35, 36],
        [3, 6, 18, 25, 29],
    ]
    drawn = [choose_phrasings(range(8), 42, *episode, frame)[0] for episode in EPISODES for frame in range(12)]
    assert drawn == [2, 6, 4, 3, 2, 1, 3, 5, 2, 5, 2, 1, 0, 0, 2, 0, 0, 4, 2, 4, 0, 2, 6, 1]


@given(st.lists(st.integers(0, DRAW_LIMIT - 1), unique=True), st.integers(0, 40))
def test_the_limit_lets_exactly_so_many_draws_through(draws, count):
    limit = limit_for(lambda: iter(draws), count)
    assert sum(draw < limit for draw in draws) == min(count, len(draws))


@given(st.integers(0, 300), st.integers(1, 60), st.integers(1, 7), st.sampled_from(["drop", "clamp"]))
def test_pairs_stay_inside_the_episode(frames, horizon, stride, tail):
    starts = pair_starts(frames, horizon, stride, tail)
    futures = [future_frame(start, horizon, frames) for start in starts]
    assert all(0 <= start <= future < frames for start, future in zip(starts, futures, strict=True))
    whole = [future - start == horizon for start, future in zip(starts, futures, strict=True)]
    assert all(whole) or tail == "clamp"
    assert set(used_frames(starts, horizon, frames)) == {*starts, *futures}


def test_clamped_tail():
    assert list(pair_starts(60, 50, 1, "clamp")) == list(range(60))
    assert [future_frame(start, 50, 60) for start in (0, 9, 10, 59)] == [50, 59, 59, 59]
    assert list(pair_starts(3, 50, 1, "clamp")) == [0, 1, 2]
    assert list(pair_starts(1, 50, 1, "clamp")) == []


def test_known_splits_stay_and_new_episodes_make_up_the_proportion():
    tasks = ("block_hammer_beat", "b")
    few, many = ([(task, number) for task in tasks for number in range(count)] for count in (48, 80))
    before = split_episodes(few, 0.1, seed=42)
    after = split_episodes(many, 0.1, seed=42, known=before)
    assert before.items() <= after.items()
    assert Counter(task for (task, _), part in after.items() if part == "test") == dict.fromkeys(tasks, 8)
    ranked_anew = split_episodes(many, 0.1, seed=42)
    assert any(before[key] == "train" and ranked_anew[key] == "test" for key in before)
