"""Pairs, splits and phrasings: the arithmetic of the dataset."""

from collections import Counter

import pytest

from training.pairs import choose_phrasing, pair_starts, split_episodes, used_frames


@pytest.mark.parametrize(
    ("frames", "horizon", "stride", "expected"),
    [(53, 50, 1, [0, 1, 2]), (51, 50, 1, [0]), (50, 50, 1, []), (3, 50, 1, []), (60, 50, 4, [0, 4, 8]), (0, 1, 1, [])],
)
def test_pair_starts(frames, horizon, stride, expected):
    assert list(pair_starts(frames, horizon, stride)) == expected


def test_used_frames_are_those_in_a_pair():
    assert used_frames(range(0, 3), 50) == [0, 1, 2, 50, 51, 52]
    assert used_frames(range(0, 4), 2) == [0, 1, 2, 3, 4, 5]
    assert used_frames([], 50) == []


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
    drawn = [choose_phrasing(phrasings, 42, "task", 5, frame) for frame in range(4000)]
    assert drawn == [choose_phrasing(phrasings, 42, "task", 5, frame) for frame in range(4000)]
    assert all(900 < count < 1100 for count in Counter(drawn).values())
    assert drawn != [choose_phrasing(phrasings, 43, "task", 5, frame) for frame in range(4000)]
