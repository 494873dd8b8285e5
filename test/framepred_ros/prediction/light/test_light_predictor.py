"""The runtime without PyTorch predicts what PyTorch does, from the same checkpoint."""

import numpy as np
import pytest
from tiny_checkpoint import make_tiny_checkpoint

from framepred_ros import FramePredictor
from framepred_ros.prediction.checkpoint import shipped_checkpoint
from framepred_ros.prediction.light.predictor import LightPredictor
from framepred_ros.prediction.torch_predictor import TorchPredictor
from framepred_ros.replay.episode_bag import BagFrame, EpisodeBag, episodes_by_task

pytest.importorskip("openvino")

WORDS = ["hit the block with the hammer", None, "stack the black block on the red block"]


def both(folder) -> tuple[FramePredictor, FramePredictor]:
    light, reference = (FramePredictor.from_pretrained(folder, "cpu", engine=name) for name in ("openvino", "fast"))
    assert isinstance(light, LightPredictor) and isinstance(reference, TorchPredictor)
    return light, reference


def make_images(count=3) -> list[np.ndarray]:
    """Smooth pictures of different sizes: noise would hide differences in a saturated mask."""
    random = np.random.default_rng(0)
    sizes = [(64, 64), (80, 120), (64, 64)]
    return [
        np.kron(random.integers(0, 256, (8, 8, 3)), np.ones((height // 8, width // 8, 1))).astype(np.uint8)
        for height, width in sizes[:count]
    ]


def assert_same(frames, others, share=1e-3, levels=1):
    for frame, other in zip(frames, others, strict=True):
        difference = np.abs(frame.astype(int) - other).max(axis=2)
        assert difference.max() <= levels
        assert (difference > 0).mean() <= share


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return both(make_tiny_checkpoint(tmp_path_factory.mktemp("plain"), one_step_noise=False))


@pytest.fixture(scope="module")
def conditioned(tmp_path_factory):
    """Everything that a small checkpoint can have: horizons, a past, guidance, channels that are predicted outright."""
    folder = tmp_path_factory.mktemp("conditioned")
    info = {"horizons": (1, 100), "history": (10, 25), "history_channels": 4, "difference_channels": 3}
    return both(make_tiny_checkpoint(folder, guidance_scale=3.0, image_guidance_scale=1.5, **info))


@pytest.mark.parametrize("steps", [1, 4])
def test_frames_are_those_of_pytorch(plain, steps):
    light, reference = plain
    frames = light.predict_batch(make_images(), WORDS, steps, seed=3)
    assert all(frame.dtype == np.uint8 and frame.flags["C_CONTIGUOUS"] for frame in frames)
    assert_same(frames, reference.predict_batch(make_images(), WORDS, steps, seed=3))
    assert_same(
        [light.predict(make_images()[1], WORDS[0], steps, 3)], [reference.predict(make_images()[1], WORDS[0], steps, 3)]
    )


def test_frame_and_past_of_a_clip_are_encoded_once(conditioned, monkeypatch):
    light, _ = conditioned
    encoded, encode = [], light.autoencoder.encode

    def recorded(pictures):
        encoded.append(len(pictures))
        return encode(pictures)

    image, other, _ = make_images()
    history = {10: other, 25: other.copy()}
    expected = [light.predict(image, WORDS[0], horizon=horizon, history=history) for horizon in (10, 25, 50)]
    monkeypatch.setattr(light.autoencoder, "encode", recorded)
    assert_same(light.predict_clip(image, WORDS[0], [10, 25, 50], history=history), expected)
    assert encoded == [1, 2]


@pytest.mark.parametrize("steps", [1, 3])
def test_conditions_and_guidance_are_those_of_pytorch(conditioned, steps):
    light, reference = conditioned
    images = make_images()
    histories = [{10: images[2], 25: images[1]}, {25: images[0]}, {}]
    given = {"horizons": [5, 50, 100], "histories": histories, "steps": steps, "seed": 1}
    assert_same(light.predict_batch(images, WORDS, **given), reference.predict_batch(images, WORDS, **given))
    clip = [each.predict_clip(images[0], WORDS[0], [1, 20, 90], steps) for each in (light, reference)]
    assert_same(*clip)


def test_the_rest_of_the_contract_is_the_same(plain):
    light, reference = plain
    image = make_images()[1]
    assert_same([light.reconstruct(image)], [reference.reconstruct(image)])
    assert (light.horizon, light.horizons, light.history) == (reference.horizon, reference.horizons, reference.history)
    assert (str(light.device), light.engine, light.longest_sampling) == ("cpu", "openvino", reference.longest_sampling)
    assert light.predict_batch([], []) == []
    for wrong in ({"steps": 0}, {"steps": 1001}, {"horizon": 3}, {"history": {5: image}}):
        messages = []
        for predictor in plain:
            with pytest.raises(ValueError) as error:
                predictor.predict(image, "go", **wrong)
            messages.append(str(error.value))
        assert messages[0] == messages[1]


def test_the_shipped_checkpoint_predicts_the_same_frames():
    light, reference = both(shipped_checkpoint())
    for path in episodes_by_task().values():
        frames = [item.rgb for item in EpisodeBag(path).read() if isinstance(item, BagFrame)][::60]
        words = [WORDS[0]] * len(frames)
        # The bilateral filter may make two levels of one.
        assert_same(light.predict_batch(frames, words), reference.predict_batch(frames, words), levels=2)


def test_what_does_not_fit_its_models_is_refused(tmp_path):
    folder = make_tiny_checkpoint(tmp_path / "wrong", resolution=(64, 64))
    settings = folder / "framepred.json"
    settings.write_text(settings.read_text().replace("64,", "60,", 1))
    with pytest.raises(ValueError, match="must be multiples of the autoencoder's 8"):
        FramePredictor.from_pretrained(folder, "cpu", engine="openvino")
