import cv2
import numpy as np
import pytest

from framepred_ros import FramePredictor
from framepred_ros.cli import main

INSTRUCTION = "hit the block with the hammer"


@pytest.fixture
def picture(tmp_path):
    image = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), (96, 64))
    cv2.imwrite(str(tmp_path / "now.png"), image)
    return tmp_path / "now.png"


def test_predict_writes_what_the_predictor_predicts(tiny_checkpoint, picture, tmp_path, capsys):
    output = tmp_path / "future.png"
    command = ["predict", str(picture), INSTRUCTION, "-o", str(output), "--checkpoint", str(tiny_checkpoint)]
    assert main([*command, "--device", "cpu", "--steps", "2", "--seed", "3"]) == 0
    predictor = FramePredictor.from_pretrained(tiny_checkpoint, device="cpu")
    expected = predictor.predict(cv2.imread(str(picture))[:, :, ::-1].copy(), INSTRUCTION, steps=2, seed=3)
    assert np.array_equal(cv2.imread(str(output))[:, :, ::-1], expected)
    assert f"{predictor.horizon} steps (3 s)" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["future.png", "now.png"]


@pytest.mark.parametrize(
    "changes, problem",
    [
        ({"image": "missing.png"}, "no such picture: missing.png"),
        ({"image": __file__}, "is not a picture"),
        ({"instruction": " "}, "instruction must be non-empty text"),
        ({"output": "future.xyz"}, "must end in the name of a picture format"),
        ({"output": "nowhere/future.png"}, "no such folder for the output: nowhere"),
        ({"checkpoint": "./nothing"}, "no checkpoint folder at ./nothing"),
        ({"device": "warp"}, "device 'warp' cannot be used here"),
        ({"steps": "0"}, "steps must be an integer between 1 and 1000"),
    ],
)
def test_bad_input_is_one_line_and_status_1(tiny_checkpoint, picture, tmp_path, capsys, changes, problem):
    values = {
        "image": str(picture),
        "instruction": INSTRUCTION,
        "output": str(tmp_path / "future.png"),
        "checkpoint": str(tiny_checkpoint),
        "device": "cpu",
        "steps": "1",
    } | changes
    command = ["predict", values.pop("image"), values.pop("instruction")]
    assert main(command + [word for name, value in values.items() for word in (f"--{name}", value)]) == 1
    message = capsys.readouterr().err
    assert problem in message and message.count("\n") == 1
    assert not (tmp_path / "future.png").exists()
