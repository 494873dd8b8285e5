import numpy as np
import pytest

from framepred_ros.prediction.compositing import Compositing, composite, denoise, motion_mask, moving_box


def make_scene(side=64):
    """A grey scene in which a bright square appears at rows and columns 20..31."""
    now = np.full((side, side, 3), 100, np.float32)
    after = now.copy()
    after[20:32, 20:32] = 220
    return now, after


def test_still_scene_keeps_every_camera_pixel():
    camera = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    now, _ = make_scene()
    mask = motion_mask(now, now, Compositing())
    assert mask.max() == 0
    assert np.array_equal(composite(camera, 255 - camera, mask), camera)


def test_blending_is_exact_to_a_level_and_keeps_the_camera_where_nothing_moves():
    generator = np.random.default_rng(0)
    camera, predicted = generator.integers(0, 256, (2, 256, 256, 3), np.uint8)
    mask = np.zeros((256, 256), np.float32)
    mask[40:200, 7:99] = np.linspace(0, 1, 92, dtype=np.float32)
    blended = composite(camera, predicted, mask)
    exact = camera + mask[:, :, None].astype(float) * (predicted.astype(float) - camera)
    assert np.abs(blended - exact).max() < 0.51
    assert np.array_equal(blended[mask == 0], camera[mask == 0])
    assert np.array_equal(blended[mask == 1], predicted[mask == 1])


def test_mask_covers_the_motion_and_little_else():
    now, after = make_scene()
    mask = motion_mask(now, after, Compositing())
    assert mask[20:32, 20:32].min() > 0.99
    assert mask[:8].max() == mask[45:].max() == 0
    assert mask.dtype == np.float32 and mask.shape == (64, 64)


def test_changes_below_the_threshold_do_not_count():
    now, _ = make_scene()
    assert motion_mask(now, now + 5, Compositing(threshold=6)).max() == 0


def test_options_of_zero_switch_the_filters_off():
    now, after = make_scene()
    mask = motion_mask(now, after, Compositing(threshold=0, softness=1, smoothing=0, dilation=0, feather=0))
    assert np.array_equal(mask, (after != now).any(axis=2).astype(np.float32))


@pytest.mark.parametrize(
    "name, value", [("threshold", -1), ("softness", 0), ("dilation", -2), ("feather", float("nan"))]
)
def test_impossible_options_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        Compositing(**{name: value})


def test_denoising_smooths_plain_areas_and_keeps_edges():
    _, frame = make_scene()
    noisy = (frame + np.random.default_rng(0).normal(0, 5, frame.shape)).round().astype(np.uint8)
    everywhere = np.ones(noisy.shape[:2], np.float32)
    smooth = denoise(noisy, everywhere, Compositing(denoising=30))
    assert np.abs(smooth - frame)[:8].mean() < 0.3 * np.abs(noisy - frame)[:8].mean()
    assert smooth[24, 24].min() > smooth[24, 16].max() + 100
    assert denoise(noisy, everywhere, Compositing()) is noisy


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "rows, columns", [((0, 9), (50, 64)), ((20, 41), (3, 30)), ((0, 64), (0, 64)), ((0, 1), (5, 6))]
)
def test_denoising_of_the_moving_box_equals_denoising_everything(rows, columns, stride):
    noisy = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    mask = np.zeros((64, 64), np.float32)
    mask[slice(*rows), slice(*columns)] = 0.5
    options = Compositing(denoising=40, denoising_radius=4, denoising_stride=stride)
    inside, everywhere = denoise(noisy, mask, options), denoise(noisy, np.ones_like(mask), options)
    assert np.array_equal(inside[mask > 0], everywhere[mask > 0])
    assert np.array_equal(inside[mask == 0], noisy[mask == 0])


def test_box_holds_every_moving_pixel_and_is_empty_without_motion():
    mask = np.zeros((8, 9), np.float32)
    assert mask[moving_box(mask)].size == 0
    mask[2, 5] = mask[6, 1] = 0.1
    assert moving_box(mask) == (slice(2, 7), slice(1, 6))


def test_strided_denoising_smooths_as_well_as_the_dense_filter():
    _, frame = make_scene()
    noisy = (frame + np.random.default_rng(0).normal(0, 5, frame.shape)).round().astype(np.uint8)
    everywhere = np.ones(noisy.shape[:2], np.float32)
    dense = denoise(noisy, everywhere, Compositing(denoising=30, denoising_radius=9))
    strided = denoise(noisy, everywhere, Compositing(denoising=30, denoising_radius=9, denoising_stride=3))
    assert np.abs(strided - frame).mean() < 1.1 * np.abs(dense - frame).mean()


def test_strided_denoising_of_a_frame_smaller_than_the_stride():
    frame = np.full((2, 3, 3), 77, np.uint8)
    options = Compositing(denoising=30, denoising_radius=8, denoising_stride=4)
    assert np.array_equal(denoise(frame, np.ones((2, 3), np.float32), options), frame)


def test_denoising_radius_and_stride_have_bounds():
    with pytest.raises(ValueError, match="denoising_radius must be an integer between 1 and 20"):
        Compositing(denoising_radius=0)
    for stride in (0, 7, 2.5):
        with pytest.raises(ValueError, match="denoising_stride must be an integer between 1 and denoising_radius"):
            Compositing(denoising_radius=6, denoising_stride=stride)
