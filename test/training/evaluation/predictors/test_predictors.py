"""Predictors on a dataset of sliding squares, where the right answer is known."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from moving_squares import make_moving_squares
from tiny_checkpoint import make_tiny_full_checkpoint

from training.dataset.index import Row, load_split
from training.evaluation.predictors.base import Prediction, Predictor, read_pair
from training.evaluation.predictors.by_task import ByTask
from training.evaluation.predictors.checkpoint import CheckpointPredictor, load_model, untrain
from training.evaluation.predictors.linear_motion import LinearMotion
from training.evaluation.predictors.pictures_folder import PicturesFolder
from training.evaluation.predictors.prompts import PRESETS, word_prompt
from training.evaluation.predictors.retrieval import Retrieval
from training.evaluation.scoring.measure import MeasureOptions, score_rows

HORIZON = 8


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares") / "dataset", horizon=HORIZON)


@pytest.fixture(scope="module")
def pairs(dataset):
    return [read_pair(row, None) for row in load_split(dataset, "test")]


def slide(frame, side=32, speed=3):
    """A textured square that slides to the right over grey, and where it is: uint8 RGB (96, 192, 3), bool (96, 192)."""
    texture = np.random.default_rng(0).integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8)
    image, place = np.full((96, 192, 3), 128, np.uint8), np.zeros((96, 192), bool)
    spot = np.s_[30 : 30 + side, 10 + speed * frame : 10 + speed * frame + side]
    image[spot] = cv2.resize(texture, (side, side), interpolation=cv2.INTER_CUBIC)
    place[spot] = True
    return image, place


def test_linear_motion_continues_a_slide(tmp_path):
    for frame in range(3):
        cv2.imwrite(str(tmp_path / f"episode0_frame{frame}.jpg"), slide(frame)[0], [cv2.IMWRITE_JPEG_QUALITY, 98])
    row = Row(tmp_path / "episode0_frame2.jpg", tmp_path / "episode0_frame2.jpg", "Slide.", "slide", 0, 2, "seen")
    future, place = slide(2 + 12)
    prediction = LinearMotion(12, lookback=2).predict([read_pair(row, None)])[0]
    assert prediction.values == {"fallback": 0}
    errors = [
        np.abs(image[place].astype(int) - future[place][:, ::-1]).mean() for image in (prediction.picture, slide(2)[0])
    ]
    assert errors[0] < errors[1] / 2


def test_linear_motion_copies_where_there_is_no_earlier_frame(pairs):
    predictions = LinearMotion(HORIZON, lookback=2).predict(pairs[:3])
    assert [prediction.values["fallback"] for prediction in predictions] == [1, 1, 0]
    assert np.array_equal(predictions[1].picture, pairs[1].current)


def test_retrieval_finds_itself_among_training_pairs(dataset):
    rows = load_split(dataset, "train")
    chosen = [read_pair(row, None) for row in rows[::7]]
    for prediction, pair in zip(Retrieval(rows, every=1).predict(chosen), chosen, strict=True):
        assert np.array_equal(prediction.picture, pair.truth)


def test_retrieval_follows_the_instruction(dataset, pairs):
    by_words = Retrieval(load_split(dataset, "train"), every=1, text_weight=100.0)
    left = cv2.imread(str(pairs[0].row.input_image))
    assert pairs[0].row.task == "slide_left" and left is not None
    nearest = by_words.predict(pairs[:1])[0].picture
    futures = [row.edited_image for row in load_split(dataset, "train") if row.task == "slide_left"]
    assert any(np.array_equal(nearest, cv2.imread(str(path))[:, :, ::-1]) for path in futures)


def write_predictions(folder, pairs):
    for pair in pairs:
        path = folder / pair.row.task / f"episode{pair.row.episode}_frame{pair.row.frame}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pair.truth[:, :, ::-1])


def test_a_folder_of_true_frames_scores_perfectly(pairs, tmp_path):
    write_predictions(tmp_path, pairs)
    scores = score_rows(PicturesFolder(tmp_path), [pair.row for pair in pairs], MeasureOptions())
    assert all(values["psnr"] == 100 for values in scores)


def test_pictures_that_cannot_be_used_are_listed_at_once(pairs, tmp_path):
    write_predictions(tmp_path, pairs)
    names = [f"{pair.row.task}/episode{pair.row.episode}_frame{pair.row.frame}.png" for pair in pairs]
    (tmp_path / names[0]).unlink()
    cv2.imwrite(str(tmp_path / names[1]), np.zeros((10, 12, 3), np.uint8))
    (tmp_path / names[2]).write_bytes(b"nothing")
    cv2.imwrite(str(tmp_path / names[3]), np.zeros((64, 96, 3), np.uint16))
    with pytest.raises(ValueError, match=f"4 of {len(pairs)} predictions cannot be used") as caught:
        PicturesFolder(tmp_path).prepare([pair.row for pair in pairs], None)
    for part in (f"{names[0]} is missing", f"{names[1]} is 12x10, not 96x64", f"{names[2]} is no", "uint16"):
        assert part in str(caught.value)


def test_prompt_wordings(pairs):
    row = pairs[0].row
    assert word_prompt(None, row) == row.prompt
    assert word_prompt("a robot: {prompt} ({task})", row) == f"a robot: {row.prompt} (slide_left)"
    assert len(PRESETS["paper"]) == 3
    with pytest.raises(ValueError, match="no wording for the task 'slide_left'"):
        word_prompt("paper", row)
    with pytest.raises(ValueError, match="neither a preset nor a template"):
        word_prompt("{colour}", row)


def test_samples_are_averaged_and_their_spread_is_measured(tiny_checkpoint, pairs):
    model = load_model(str(tiny_checkpoint), "cpu")
    single = [CheckpointPredictor(model, steps=2, seed=seed).predict(pairs[:1])[0].picture for seed in (3, 4)]
    mean = CheckpointPredictor(model, steps=2, seed=3, samples=2).predict(pairs[:1])[0]
    expected = (single[0].astype(float) + single[1]) / 2
    assert np.abs(mean.picture - expected).max() <= 0.5
    assert mean.values["diversity"] == pytest.approx(np.abs(single[0].astype(float) - single[1]).mean() / 2, abs=1e-3)


def test_untrained_weights_depend_on_the_seed_only(tiny_checkpoint):
    weights = [
        untrain(load_model(str(tiny_checkpoint), "cpu"), seed).unet.conv_in.weight.detach().clone()
        for seed in (0, 0, 1)
    ]
    trained = load_model(str(tiny_checkpoint), "cpu").unet.conv_in.weight
    assert (weights[0] == weights[1]).all()
    assert (weights[0] != weights[2]).any() and (weights[0] != trained).any()


def test_weights_that_are_not_numbers_are_refused(tiny_checkpoint, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_checkpoint, tmp_path / "diverged")
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["conv_in.bias"][0] = float("nan")
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="unet has weights that are not finite"):
        load_model(str(folder), "cpu")


class ImagesApi(BaseHTTPRequestHandler):
    """Answers images.edit with a red square; the first request fails with 500."""

    requests = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append((self.path, self.headers["Authorization"], body))
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[..., 2] = 255
        encoded = base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()
        answer = json.dumps({"created": 0, "data": [{"b64_json": encoded}]}).encode()
        self.send_response(500 if len(self.requests) == 1 else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), ImagesApi)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    monkeypatch.setattr(ImagesApi, "requests", [])
    yield server
    server.shutdown()
    server.server_close()


def test_the_image_api_is_asked_once_per_frame(server, pairs, tmp_path):
    pytest.importorskip("openai")
    from training.evaluation.predictors.image_api import ImageApi

    questions = []
    api = ImageApi(
        "gpt-image-1", 0.04, "{prompt}!", cache=tmp_path / "cache", confirm=lambda q: questions.append(q) or True
    )
    rows = [pair.row for pair in pairs[:2]]
    api.prepare(rows, None)
    assert "2 of 2 images to ask for, about 0.08 USD" in questions[0]
    predictions = api.predict(pairs[:2])
    assert all((p.picture == (255, 0, 0)).all() and p.picture.shape == pairs[0].truth.shape for p in predictions)
    assert len(ImagesApi.requests) == 3  # the first failed and was tried again
    path, key, body = ImagesApi.requests[-1]
    assert (path, key) == ("/v1/images/edits", "Bearer a-key")
    assert f"{rows[1].prompt}!".encode() in body and b"\x89PNG" in body
    api.prepare(rows, None)
    api.predict(pairs[:2])
    assert len(ImagesApi.requests) == 3 and len(questions) == 1


def test_the_image_api_spends_nothing_unasked(server, pairs, tmp_path, monkeypatch):
    pytest.importorskip("openai")
    from training.evaluation.predictors.image_api import ImageApi

    with pytest.raises(ValueError, match="about 0.04 USD. Not agreed to"):
        ImageApi("dall-e-2", 0.04, None, cache=tmp_path, confirm=lambda _: False).prepare([pairs[0].row], None)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        ImageApi("dall-e-2", 0.04, None, cache=tmp_path).prepare([pairs[0].row], None)
    assert not ImagesApi.requests


def test_by_task_hands_each_pair_to_its_tasks_predictor(pairs):
    class Constant(Predictor):
        def __init__(self, level, horizon=None):
            self.level, self.horizon = level, horizon

        def predict(self, pairs):
            return [Prediction(np.full_like(pair.current, self.level)) for pair in pairs]

    mixed = [*pairs[::3], *pairs[1::3]]
    predictor = ByTask({"slide_left": Constant(10, HORIZON), "slide_right": Constant(20)})
    predictor.prepare([pair.row for pair in mixed], None)
    levels = [prediction.picture.max() for prediction in predictor.predict(mixed)]
    assert levels == [{"slide_left": 10, "slide_right": 20}[pair.row.task] for pair in mixed] and len(set(levels)) == 2
    assert predictor.horizon == HORIZON
    with pytest.raises(ValueError, match="no predictor for task slide_right, only for: slide_left"):
        ByTask({"slide_left": Constant(10)}).prepare([pair.row for pair in mixed], None)
    with pytest.raises(ValueError, match="the tasks' predictors differ in horizon: 4, 8"):
        ByTask({"slide_left": Constant(10, 4), "slide_right": Constant(20, 8)})


def test_guidance_scales_are_those_that_are_predicted_with(pairs, tmp_path):
    none = {"guidance_scale": 1.0, "image_guidance_scale": 1.0}
    some = {"guidance_scale": 6.0, "image_guidance_scale": 1.5}
    folder = make_tiny_full_checkpoint(tmp_path / "plain", with_info=True, **none)
    guided = make_tiny_full_checkpoint(tmp_path / "guided", with_info=True, **some)
    models = load_model(str(folder), "cpu", **some), load_model(str(guided), "cpu"), load_model(str(folder), "cpu")
    by_option, by_checkpoint, plain = (CheckpointPredictor(model).predict(pairs[:1])[0].picture for model in models)
    assert np.array_equal(by_option, by_checkpoint) and not np.array_equal(by_option, plain)
