"""The paired bootstrap against cases whose answer is known."""

from pathlib import Path

import numpy as np
import pytest

from training.dataset.index import Row
from training.evaluation.bootstrap import paired_bootstrap
from training.evaluation.scoring.scores import PairScore


def scores_with(gains):
    """One pair per entry: (task, episode, gain of "new" over "old")."""
    return [
        PairScore(
            Row(Path("a"), Path("b"), "Do it.", task, episode, frame, "seen"),
            {"new": {"psnr": 20 + gain}, "old": {"psnr": 20.0}},
        )
        for frame, (task, episode, gain) in enumerate(gains)
    ]


def test_a_constant_gain_is_certain():
    found = paired_bootstrap(scores_with([("a", episode, 1.5) for episode in range(6)]), "new", "old", "psnr")
    assert (found.mean, found.low, found.high) == pytest.approx((1.5, 1.5, 1.5))
    assert found.p < 0.001
    assert found.episodes == 6


def test_no_gain_is_not_significant():
    gains = [("a", episode, (-1) ** episode) for episode in range(12)]
    found = paired_bootstrap(scores_with(gains), "new", "old", "psnr")
    assert found.low < 0 < found.high
    assert found.p > 0.5


def test_the_interval_is_that_of_independent_episodes_whatever_their_pairs():
    rng = np.random.default_rng(1)
    gains = [("a", episode, gain) for episode, gain in enumerate(rng.normal(0.4, 1, 40))]
    once = paired_bootstrap(scores_with(gains), "new", "old", "psnr")
    often = paired_bootstrap(scores_with(gains * 20), "new", "old", "psnr")
    values = np.array([gain for _, _, gain in gains])
    assert once.high - once.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(40), rel=0.05)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_one_episode_or_an_undefined_metric_says_nothing():
    assert paired_bootstrap(scores_with([("a", 0, 1.0)]), "new", "old", "psnr") is None
    one_of_each_task = [("a", 0, 1.0), ("b", 0, 1.1), ("c", 0, 0.9)]
    assert paired_bootstrap(scores_with(one_of_each_task), "new", "old", "psnr") is None
    assert paired_bootstrap(scores_with([("a", 0, 1.0), ("a", 1, 1.0)]), "new", "old", "block_error") is None
