"""SSIM and PSNR against numbers worked out by hand and against the definition written out in NumPy."""

import math

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from framepred_ros.metrics import PSNR_OF_IDENTICAL, psnr, ssim


def flat(level, shape=(12, 16, 3)):
    return np.full(shape, level, np.uint8)


@pytest.fixture
def noisy_pair():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    b = np.clip(a + rng.normal(0, 30, a.shape), 0, 255).astype(np.uint8)
    return a, b


def test_psnr_by_hand():
    # Every value off by 5: MSE 25, so 10 log10(65025 / 25).
    assert psnr(flat(10), flat(15)) == pytest.approx(34.1514, abs=1e-4)
    # One channel of three off by 5: a third of that MSE.
    b = flat(10)
    b[:, :, 2] = 15
    assert psnr(flat(10), b) == pytest.approx(34.1514 + 10 * math.log10(3), abs=1e-4)


def test_dark_and_bright_do_not_wrap_around():
    assert psnr(flat(0), flat(255)) == pytest.approx(0.0)


def test_identical_images_have_finite_scores(noisy_pair):
    a, _ = noisy_pair
    assert psnr(a, a.copy()) == PSNR_OF_IDENTICAL
    assert ssim(a, a.copy()) == pytest.approx(1.0)


def test_no_pair_of_images_scores_above_identical_ones():
    a = flat(10, (240, 320, 3))
    b = a.copy()
    b[0, 0, 0] += 1  # 101.8 dB by the formula
    assert psnr(a, b) == PSNR_OF_IDENTICAL


def test_ssim_of_flat_images_by_hand():
    # No variance: only the luminance term is left, with C1 = (0.01 * 255)^2.
    c1 = 2.55**2
    assert ssim(flat(50), flat(100)) == pytest.approx((2 * 50 * 100 + c1) / (50**2 + 100**2 + c1))


def test_ssim_is_the_paper_s_formula_over_7x7_windows(noisy_pair):
    a, b = (image.astype(float) for image in noisy_pair)
    windows = [sliding_window_view(image, (7, 7), axis=(0, 1)) for image in (a, b)]
    mean_a, mean_b = (w.mean(axis=(-1, -2)) for w in windows)
    var_a, var_b = (w.var(axis=(-1, -2), ddof=1) for w in windows)
    covariance = (windows[0] * windows[1]).mean(axis=(-1, -2)) - mean_a * mean_b
    covariance *= 49 / 48
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    value = (2 * mean_a * mean_b + c1) * (2 * covariance + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    assert ssim(*noisy_pair) == pytest.approx(value.mean(), abs=1e-9)


def test_scores_are_symmetric(noisy_pair):
    a, b = noisy_pair
    assert psnr(a, b) == psnr(b, a)
    assert ssim(a, b) == pytest.approx(ssim(b, a))


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((12, 16, 3), np.float32), "uint8"),
        ([[1, 2, 3]], "uint8"),
        (np.zeros((12, 16), np.uint8), "shape"),
        (np.zeros((12, 16, 4), np.uint8), "shape"),
        (np.zeros((6, 16, 3), np.uint8), "7x7"),
        (np.zeros((12, 18, 3), np.uint8), "differ in size"),
    ],
)
def test_unusable_images_are_refused(metric, image, reason):
    assert metric(flat(0), flat(0)) > 0
    with pytest.raises(ValueError, match=reason):
        metric(flat(0), image)
