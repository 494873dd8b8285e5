"""The prediction thread when the model fails: real predictors, the failures raised where torch raises them."""

import threading

import numpy as np
import pytest
from ros_testing import make_header, make_picture

from framepred_ros.node.newest_frames import Frame
from framepred_ros.node.prediction_worker import PredictionWorker
from framepred_ros.node.settings import PredictionSettings
from framepred_ros.node.statistics import Drop
from framepred_ros.ros.image_messages import image_from_rgb, rgb_from_image

TIMEOUT = 60  # seconds


class Log:
    """Keeps lines by level, as far as the worker logs."""

    def __init__(self):
        self.lines = []

    def debug(self, line, **_):
        pass

    def warning(self, line, **_):
        self.lines.append(line)

    error = warning


class Host:
    """Loads, counts how often settings are read, and collects what the worker says about frames."""

    def __init__(self, predictor, instructions):
        self.predictor = predictor
        self.owners = {name: Owner(self, name, instruction) for name, instruction in instructions.items()}
        self.predictions, self.strips, self.drops = {}, {}, []
        self.seed, self.skip_unchanged, self.max_rate, self.settings_read = 0, 0, 0.0, 0

    def settings(self):
        self.settings_read += 1
        return PredictionSettings(seed=self.seed, skip_unchanged=self.skip_unchanged)


class Owner:
    """A camera's side of the worker."""

    def __init__(self, host, name, instruction):
        self.host, self.name, self.instruction = host, name, instruction
        self.strip_watched, self.past = False, {}

    def past_of(self, frame):
        return self.past

    def publish(self, frame, predicted, settings):
        self.host.predictions[self.name] = predicted.picture
        self.host.strips[self.name] = predicted.strip

    def drop(self, reason, detail=""):
        self.host.drops.append((self.name, reason, detail))


@pytest.fixture
def make_worker(tiny_checkpoint):
    """Return a function that starts a worker whose model fails as often as asked; it sees the batch."""
    import torch

    from framepred_ros.prediction.predictor import FramePredictor
    from framepred_ros.prediction.torch_predictor import TorchPredictor

    workers = []
    loaded = FramePredictor.from_pretrained(tiny_checkpoint, device="cpu")
    parts = loaded.vae, loaded.text_encoder, loaded.tokenizer, loaded.unet, loaded.scheduler, loaded.info

    class Failing(TorchPredictor):
        def predict_batch(self, images, *arguments, **options):
            self.batches.append(len(images))
            if self.failures.pop(0) if self.failures else False:
                raise torch.OutOfMemoryError("out of memory")
            return super().predict_batch(images, *arguments, **options)

    def make(*failures, left="go", right="go"):
        predictor = Failing(*parts)
        predictor.failures, predictor.batches = list(failures), []
        log = Log()
        host = Host(predictor, {"left": left, "right": right})
        worker = PredictionWorker(lambda: predictor, host.settings, lambda: host.max_rate, log)
        worker.owners = host.owners
        worker.loaded.result(TIMEOUT)
        workers.append(worker)
        return worker, host, log

    yield make
    for worker in workers:
        worker.stop(TIMEOUT)


def predict(worker, **pictures):
    """Let the worker predict from one picture per camera; return the cameras that it predicted for."""
    for camera, picture in pictures.items():
        frame = Frame(worker.owners[camera], image_from_rgb(picture, make_header(0)), rgb_from_image)
        worker.frames.put(frame, wanted=False)
    return [frame.camera for frame in worker.frames.request().result(TIMEOUT)]


def test_out_of_memory_is_tried_again_frame_by_frame(make_worker, tiny_checkpoint):
    from framepred_ros.prediction.predictor import FramePredictor

    worker, host, log = make_worker(True)
    picture = make_picture()
    expected = FramePredictor.from_pretrained(tiny_checkpoint, device="cpu").predict(picture, "go")
    assert predict(worker, left=picture, right=picture) == ["left", "right"]
    assert host.predictor.batches == [2, 1, 1] and host.drops == log.lines == []
    for predicted in host.predictions.values():
        np.testing.assert_array_equal(predicted, expected)


def test_out_of_memory_again_is_reported_and_the_next_frame_is_predicted_from(make_worker):
    worker, host, _ = make_worker(True, True)
    assert predict(worker, left=make_picture()) == []
    assert host.drops == [("left", Drop.FAILED, "OutOfMemoryError: out of memory")]
    assert predict(worker, left=make_picture()) == ["left"]


def test_only_the_frame_that_cannot_be_used_is_lost(make_worker):
    worker, host, _ = make_worker()
    assert predict(worker, left=make_picture(32, 32), right=make_picture()) == ["right"]
    ((camera, reason, detail),) = host.drops
    assert (camera, reason) == ("left", Drop.REFUSED) and "at least 64" in detail


def test_a_camera_without_an_instruction_waits(make_worker):
    worker, host, _ = make_worker(left="")
    assert predict(worker, left=make_picture(), right=make_picture()) == ["right"]
    assert host.drops == [("left", Drop.NO_INSTRUCTION, "")]


def test_a_prediction_that_cannot_be_published_is_counted_and_costs_the_other_camera_nothing(make_worker):
    worker, host, _ = make_worker()
    owner = host.owners["left"]
    publish, owner.publish = owner.publish, None
    assert predict(worker, left=make_picture(), right=make_picture()) == ["right"]
    ((camera, reason, detail),) = host.drops
    assert (camera, reason) == ("left", Drop.UNPUBLISHED) and detail.startswith("TypeError")
    owner.publish = publish
    assert predict(worker, left=make_picture()) == ["left", "right"]


def test_whatever_goes_wrong_with_one_frame_costs_the_other_camera_nothing(make_worker):
    worker, host, _ = make_worker(left="something new")
    tokenizer = host.predictor.tokenizer

    class Failing:
        model_max_length = tokenizer.model_max_length

        def __call__(self, text, **options):
            if text == "something new":
                raise RuntimeError("no words for it")
            return tokenizer(text, **options)

    host.predictor.tokenizer = Failing()
    assert predict(worker, left=make_picture(), right=make_picture()) == ["right"]
    assert host.drops == [("left", Drop.FAILED, "RuntimeError: no words for it")]


def test_a_slow_rate_that_is_lifted_holds_no_frame_back_any_more(make_worker):
    worker, host, _ = make_worker()
    host.max_rate = 0.001
    predict(worker, left=make_picture())
    frame = Frame(host.owners["left"], image_from_rgb(make_picture(seed=1), make_header(1)), rgb_from_image)
    published = threading.Event()
    host.owners["left"].publish = lambda *_: published.set()
    worker.frames.put(frame)
    assert not published.wait(0.5)
    host.max_rate = 0.0
    assert published.wait(TIMEOUT)


def test_a_frame_that_shows_nothing_new_gets_the_last_prediction_again(make_worker):
    worker, host, _ = make_worker()
    host.skip_unchanged = 3
    first, other = make_picture(), make_picture(seed=1)
    noisy = np.clip(first + np.random.default_rng(0).normal(0, 3, first.shape), 0, 255).astype(np.uint8)
    assert predict(worker, left=first, right=other) == ["left", "right"]
    made = dict(host.predictions)
    host.predictions.clear()
    assert predict(worker, left=noisy, right=other) == ["left", "right"]
    assert host.predictor.batches == [2]
    assert all(host.predictions[camera] is made[camera] for camera in made)
    assert sorted(predict(worker, left=noisy, right=first)) == ["left", "right"]
    assert host.predictor.batches == [2, 1] and host.drops == []
    assert host.settings_read == 3, "once per batch"


@pytest.mark.parametrize("change", ["instruction", "seed", "threshold"])
def test_whatever_else_a_prediction_depends_on_makes_a_new_one(make_worker, change):
    worker, host, _ = make_worker()
    host.skip_unchanged = 3
    predict(worker, left=make_picture())
    if change == "instruction":
        host.owners["left"].instruction = "stop"
    else:
        setattr(host, "seed" if change == "seed" else "skip_unchanged", 0 if change == "threshold" else 1)
    predict(worker, left=make_picture())
    assert host.predictor.batches == [1, 1]
