import numpy as np
import pytest

from framepred_ros.node.unchanged_frames import LastPredictions, block_means


def make_scene(height=120, width=160) -> np.ndarray:
    return np.random.default_rng(0).integers(40, 200, (height, width, 3), np.uint8)


def find(last, image, threshold=3, camera="left", conditions=("go", 1)):
    return last.find(camera, image, conditions, threshold)


@pytest.fixture
def last():
    predictions = LastPredictions()
    predictions.keep("left", make_scene(), ("go", 1), make_scene() // 2)
    return predictions


def test_the_same_frame_has_the_same_prediction(last):
    assert np.array_equal(find(last, make_scene(), threshold=1), make_scene() // 2)


def test_noise_is_nothing_new(last):
    noise = np.random.default_rng(1).normal(0, 3, make_scene().shape)
    assert find(last, (make_scene() + noise).clip(0, 255).astype(np.uint8)) is not None


def test_a_small_thing_that_moves_is_new(last):
    scene = make_scene()
    scene[50:58, 70:78] = 255  # a quarter of one block: 0.3 percent of the frame
    assert np.abs(scene.astype(int) - make_scene()).mean() < 0.5
    assert find(last, scene) is None


def test_slow_changes_add_up(last):
    for level in range(1, 3):
        assert find(last, make_scene() + np.uint8(level)) is not None
    assert find(last, make_scene() + np.uint8(3)) is None


def test_cameras_conditions_and_sizes_are_told_apart(last):
    assert find(last, make_scene(), camera="right") is None
    assert find(last, make_scene(), conditions=("go", 2)) is None
    assert find(last, make_scene(64, 64)) is None
    assert find(LastPredictions(), make_scene()) is None


@pytest.mark.parametrize("height, width, blocks", [(240, 320, (15, 20)), (65, 131, (4, 8)), (8, 8, (1, 1))])
def test_blocks_are_means(height, width, blocks):
    image = np.full((height, width, 3), (10, 20, 30), np.uint8)
    assert block_means(image).shape == (*blocks, 3)
    assert (block_means(image) == (10, 20, 30)).all()
