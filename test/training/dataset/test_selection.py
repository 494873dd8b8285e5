"""Which pairs are chosen: splits by episode and by pair, drawn subsets, balanced tasks, the paper's presets."""

from collections import Counter

import pytest

from training.dataset.options import PRESETS, DatasetOptions
from training.dataset.selection import EpisodeSize, Selection

SIZES = [EpisodeSize(task, number, frames) for task, frames in (("a", 80), ("b", 200)) for number in range(10)]


def choose(options, sizes=SIZES):
    """All chosen pairs as (split, task, episode, frame)."""
    selection = Selection(sizes, options)
    return {
        (split, size.task, size.number, start)
        for size in sizes
        for split, starts in selection.pairs(size).items()
        for start in starts
    }


def per_task(pairs, split="train"):
    return Counter(task for part, task, _, _ in pairs if part == split)


def test_by_default_every_pair_is_there_and_no_episode_on_both_sides():
    pairs = choose(DatasetOptions(horizon=50))
    assert len(pairs) == 10 * 30 + 10 * 150
    sides = [{pair[1:3] for pair in pairs if pair[0] == split} for split in ("train", "test")]
    assert not sides[0] & sides[1]
    assert per_task(pairs, "test") == {"a": 30, "b": 150}


def test_split_by_pair_divides_episodes_in_the_exact_proportion():
    pairs = choose(DatasetOptions(horizon=50, split_by="pair"))
    assert len(pairs) == 1800
    assert sum(pair[0] == "test" for pair in pairs) == 180
    for size in SIZES[10:]:
        assert {pair[0] for pair in pairs if pair[1:3] == (size.task, size.number)} == {"train", "test"}


@pytest.mark.parametrize("split_by", ["episode", "pair"])
def test_balanced_tasks_have_equally_many_training_pairs(split_by):
    everything = choose(DatasetOptions(horizon=50, split_by=split_by))
    balanced = choose(DatasetOptions(horizon=50, split_by=split_by, balance_tasks=True))
    assert set(per_task(balanced).values()) == {min(per_task(everything).values())}
    assert balanced <= everything
    assert per_task(balanced, "test") == per_task(everything, "test")


@pytest.mark.parametrize("split_by", ["episode", "pair"])
def test_episodes_for_training_only_change_no_test_pair(split_by):
    options = DatasetOptions(horizon=50, split_by=split_by)
    more = [EpisodeSize("a", 1_000_000 + number, 80, train_only=True) for number in range(30)]
    added = choose(options, SIZES + more) - choose(options)
    assert added == {("train", "a", size.number, start) for size in more for start in range(30)}


def test_drawn_training_pairs_are_spread_over_tasks_and_grow_in_order():
    most = [choose(DatasetOptions(horizon=50, max_train_samples=count)) for count in (100, 200, 10_000)]
    assert [sum(per_task(pairs).values()) for pairs in most] == [100, 200, 1620]
    assert most[0] < most[1] < most[2]
    assert per_task(most[1])["b"] > 3 * per_task(most[1])["a"] > 0
    both = choose(DatasetOptions(horizon=50, max_train_samples=101, balance_tasks=True))
    assert per_task(both) == {"a": 50, "b": 50}


@pytest.mark.parametrize(("preset", "train", "test"), [("paper-large", 83_793, 9_310), ("paper-small", 20_426, 2_269)])
def test_presets_give_the_counts_of_the_paper(preset, train, test):
    episodes = 100 if preset == "paper-large" else 25
    sizes = [EpisodeSize("hammer", i, 215) for i in range(episodes)]
    sizes += [EpisodeSize("stack", i, 440) for i in range(2 * episodes)]
    pairs = Counter()
    selection = Selection(sizes, DatasetOptions(**PRESETS[preset]))
    for size in sizes:
        pairs.update({split: len(starts) for split, starts in selection.pairs(size).items()})
    assert pairs == {"train": train, "test": test}


def test_choices_do_not_depend_on_the_order_of_episodes():
    options = DatasetOptions(horizon=50, split_by="pair", max_pairs=700, max_train_samples=300, balance_tasks=True)
    assert choose(options) == choose(options, SIZES[::-1])
    assert choose(options) != choose(DatasetOptions(**{**vars(options), "seed": 7}))


def test_frames_are_those_of_chosen_pairs():
    options = DatasetOptions(horizon=50, tail="clamp", max_pairs=40)
    selection = Selection(SIZES, options)
    for size in SIZES:
        starts = [start for chosen in selection.pairs(size).values() for start in chosen]
        futures = [min(start + 50, size.frames - 1) for start in starts]
        assert selection.frames(size) == sorted({*starts, *futures})


@pytest.mark.parametrize(
    "values",
    [{"horizon": 0}, {"stride": 0}, {"tail": "wrap"}, {"split_by": "frame"}, {"max_pairs": 0}, {"jpeg_quality": 101}],
)
def test_meaningless_options_are_refused(values):
    with pytest.raises(ValueError, match="must"):
        DatasetOptions(**values)
