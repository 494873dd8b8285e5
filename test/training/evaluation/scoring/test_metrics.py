"""Metrics: equal to plain scikit-image calls on random pictures, and to numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from framepred_ros.metrics import ssim_with_map
from training.dataset.index import Row
from training.evaluation.predictors.base import Pair
from training.evaluation.scoring.block_position import block_scores, find_red_block
from training.evaluation.scoring.regions import DILATION, moving_region, region_psnr, region_ssim
from training.evaluation.scoring.scores import score_picture
from training.evaluation.scoring.sharpness import sharpness_ratio

ROW = Row(Path("now.jpg"), Path("later.jpg"), "Do it.", "a_task", 3, 7, "seen")
pictures = st.tuples(st.integers(8, 20), st.integers(8, 20)).flatmap(
    lambda side: st.tuples(*[arrays(np.uint8, (*side, 3))] * 3)
)


@settings(max_examples=40, deadline=None)
@given(pictures)
def test_scores_equal_scikit_image(three):
    current, truth, predicted = three
    values = score_picture(predicted, Pair(ROW, current, truth))
    expected = structural_similarity(predicted, truth, data_range=255, channel_axis=2)
    assert values["ssim"] == pytest.approx(expected, abs=1e-12)
    if np.any(predicted != truth):
        assert values["psnr"] == pytest.approx(peak_signal_noise_ratio(truth, predicted, data_range=255))
    else:
        assert values["psnr"] == 100


@settings(max_examples=40, deadline=None)
@given(pictures)
def test_regions_add_up_to_the_whole(three):
    current, truth, predicted = three
    moving = moving_region(current, truth)
    mean, windows = ssim_with_map(predicted, truth)
    everywhere = np.ones_like(moving)
    assert region_ssim(windows, everywhere) == pytest.approx(mean, abs=1e-9)
    errors = [
        0 if (db := region_psnr(predicted, truth, part)) in (None, 100) else part.sum() * 255**2 / 10 ** (db / 10)
        for part in (moving, ~moving, everywhere)
    ]
    assert errors[0] + errors[1] == pytest.approx(errors[2], rel=1e-6, abs=1e-3)


def square(left, colour=(220, 10, 10), shape=(60, 80, 3)):
    image = np.full(shape, 200, np.uint8)
    image[20:32, left : left + 12] = colour
    return image


def test_the_moving_region_is_where_the_square_was_and_is():
    moving = moving_region(square(10), square(40))
    assert moving[20:32, 10:22].all() and moving[20:32, 40:52].all()
    assert not moving[20:32, 22 + DILATION + 1 : 40 - DILATION - 1].any()
    assert not moving_region(square(10), square(10)).any()


def test_a_still_scene_has_no_moving_scores():
    values = score_picture(square(10), Pair(ROW, square(10), square(10)))
    assert values["ssim_moving"] is None and values["psnr_moving"] is None and values["sharpness"] is None
    assert values["ssim_still"] == pytest.approx(1)


def test_sharpness_falls_with_blur():
    import cv2

    truth = square(30)
    everywhere = np.ones(truth.shape[:2], bool)
    ratios = [sharpness_ratio(cv2.GaussianBlur(truth, (0, 0), sigma), truth, everywhere) for sigma in (1, 2, 8)]
    assert sharpness_ratio(truth, truth, everywhere) == 1
    assert 1 > ratios[0] > ratios[1] > ratios[2]
    assert sharpness_ratio(truth, np.zeros_like(truth), everywhere) is None


def test_block_error_is_the_distance_of_the_squares():
    assert find_red_block(square(30)) == (35.5, 25.5)
    assert block_scores(square(33), square(30)) == {"block_error": pytest.approx(3), "block_missing": 0}
    grey = square(30, colour=(90, 90, 90))
    assert block_scores(grey, square(30)) == {"block_error": None, "block_missing": 1}
    assert block_scores(square(30), grey) == {"block_error": None, "block_missing": None}


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.full((60, 80, 3), np.nan, np.float32), "a_task, episode 3, frame 7 has pixels that are not numbers"),
        (np.zeros((60, 80, 3), np.float32), "float32 pixels, not uint8"),
        (np.zeros((30, 80, 3), np.uint8), r"shape \(30, 80, 3\), the true frame \(60, 80, 3\)"),
    ],
)
def test_unusable_predictions_are_named(picture, reason):
    with pytest.raises(ValueError, match=reason):
        score_picture(picture, Pair(ROW, square(10), square(30)))


def test_lpips():
    pytest.importorskip("lpips")
    values = score_picture(square(30), Pair(ROW, square(10), square(30)), with_lpips=True)
    assert values["lpips"] == pytest.approx(0, abs=1e-6)
