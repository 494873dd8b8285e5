import cv2
import numpy as np
import pytest
from PIL import Image
from tiny_checkpoint import make_tiny_checkpoint

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


# Horizons and a past ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def conditioned(tmp_path_factory):
    """A checkpoint for 5 to 64 steps ahead and a past of two frames."""
    conditions = {"horizons": (5, 64), "history": (10, 25), "history_channels": 4}
    return make_tiny_checkpoint(tmp_path_factory.mktemp("conditioned"), **conditions)


@pytest.fixture
def run(picture, conditioned):
    """Run `framepred predict` on the picture with further words; return the exit status."""
    return lambda *words, checkpoint=conditioned: main(
        ["predict", str(picture), INSTRUCTION, "--checkpoint", str(checkpoint), "--device", "cpu", *map(str, words)]
    )


def read_rgb(path):
    return cv2.imread(str(path))[:, :, ::-1].copy()


def video_frames(path):
    video, frames = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        frames.append(read[1][:, :, ::-1])
    return frames, video.get(cv2.CAP_PROP_FPS)


def test_a_horizon_and_a_past_reach_the_predictor(conditioned, picture, run, tmp_path, capsys):
    past = np.full((64, 96, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "past.png"), past)
    output = tmp_path / "future.png"
    assert run("-o", output, "--horizon", 25, "--history", f"10={tmp_path / 'past.png'}") == 0
    predictor = FramePredictor.from_pretrained(conditioned, device="cpu")
    expected = predictor.predict(read_rgb(picture), INSTRUCTION, horizon=25, history={10: past})
    assert np.array_equal(read_rgb(output), expected)
    assert "the frame 25 steps (1.5 s) after" in capsys.readouterr().out


def test_several_horizons_stand_side_by_side(run, tmp_path, capsys):
    assert run("-o", tmp_path / "strip.png", "--horizons", 50, 10) == 0
    assert cv2.imread(str(tmp_path / "strip.png")).shape[1] >= 2 * 96
    assert "10 steps (0.6 s), 50 steps (3 s) after" in capsys.readouterr().out


def test_a_clip_runs_from_now_at_the_cameras_speed_over_all_horizons_that_the_checkpoint_allows(
    conditioned, picture, run, tmp_path
):
    assert run("--clip", tmp_path / "clip.mp4") == 0
    frames, rate = video_frames(tmp_path / "clip.mp4")
    now = read_rgb(picture)
    predictor = FramePredictor.from_pretrained(conditioned, device="cpu")
    expected = [now, *predictor.predict_clip(now, INSTRUCTION, [10, 20, 30, 40, 50, 60])]
    assert rate == pytest.approx(1 / 0.6, rel=0.01) and len(frames) == len(expected)
    for frame, each in zip(frames, expected, strict=True):
        assert np.abs(frame.astype(int) - each).mean() < 12, "but for the video's compression"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".mp4", ".png"], "nothing temporary stays"


def test_unequal_moments_of_a_clip_last_as_long_as_they_are_apart(run, tmp_path):
    assert run("--clip", tmp_path / "clip.gif", "--horizons", 10, 15, 30) == 0
    lasted = []
    with Image.open(tmp_path / "clip.gif") as clip:  # Pillow joins equal pictures
        for number in range(clip.n_frames):
            clip.seek(number)
            lasted.append(clip.info["duration"])
    assert lasted == [600, 300, 900, 300]


def test_a_checkpoint_of_one_horizon_makes_a_clip_of_it(tiny_checkpoint, run, tmp_path):
    assert run("--clip", tmp_path / "clip.mp4", checkpoint=tiny_checkpoint) == 0
    assert len(video_frames(tmp_path / "clip.mp4")[0]) == 2


@pytest.mark.parametrize(
    "words, problem",
    [
        (("--horizon", 65), "horizon must be an integer between 5 and 64 for this checkpoint, not 65"),
        (("--horizons", 10, 80), "horizon must be an integer between 5 and 64 for this checkpoint, not 80"),
        (("--history", "a.png"), "--history takes steps and file, such as 10=before.png, not 'a.png'"),
        (("--history", "10=missing.png"), "no such picture: missing.png"),
        (("--history", f"11={__file__}"), "is not a picture"),
    ],
)
def test_conditions_that_the_checkpoint_does_not_know_are_one_line(run, tmp_path, capsys, words, problem):
    assert run("-o", tmp_path / "future.png", *words) == 1
    message = capsys.readouterr().err
    assert problem in message and message.count("\n") == 1 and not (tmp_path / "future.png").exists()


def test_what_a_checkpoint_without_conditions_cannot_do_is_one_line(tiny_checkpoint, picture, run, tmp_path, capsys):
    output = "-o", tmp_path / "future.png"
    assert run(*output, "--horizon", 25, checkpoint=tiny_checkpoint) == 1
    assert "horizon must be 50 for this checkpoint, not 25" in capsys.readouterr().err
    assert run(*output, "--history", f"10={picture}", checkpoint=tiny_checkpoint) == 1
    assert "this checkpoint takes no past" in capsys.readouterr().err
    assert run("--clip", tmp_path / "clip.mp4", "--horizon", 10) == 1
    assert "give them with --horizons" in capsys.readouterr().err
    assert run("--clip", tmp_path / "clip.avi") == 1
    assert "must end in .gif or .mp4" in capsys.readouterr().err
