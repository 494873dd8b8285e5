"""What a robot's computer runs works where torch, diffusers and transformers cannot be imported."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from ros_testing import INSTRUCTION, Camera, Process, make_picture, write_bag
from std_msgs.msg import Float64MultiArray

from framepred_ros import FramePredictor
from framepred_ros.prediction.checkpoint import shipped_checkpoint
from framepred_ros.ros.image_messages import rgb_from_image

WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "diffusers", "transformers", "accelerate"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""
COMMANDS = """
import json
import framepred_ros.cli
print(json.dumps([framepred_ros.cli.main(command) for command in json.loads(sys.argv[1])]))
"""


def run_commands(cache, *commands):
    """Exit statuses and all output of `framepred` commands, one after the other in one process with an empty cache."""
    environment = os.environ | {"FRAMEPRED_CACHE": str(cache)}  # whatever another test has made is not there
    words = json.dumps([[str(word) for word in command] for command in commands])
    program = [sys.executable, "-c", WITHOUT_TORCH + COMMANDS, words]
    done = subprocess.run(program, capture_output=True, text=True, timeout=200, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr


@pytest.fixture(scope="module")
def reference():
    """The shipped checkpoint on torch."""
    return FramePredictor.from_pretrained(shipped_checkpoint(), device="cpu", engine="fast")


def assert_close(picture, expected):
    difference = np.abs(picture.astype(int) - expected).max(axis=2)
    assert difference.max() <= 2 and (difference > 0).mean() <= 1e-3


def test_the_commands(reference, tiny_checkpoint, tmp_path):
    picture = make_picture()
    cv2.imwrite(str(tmp_path / "now.png"), picture[:, :, ::-1])
    write_bag(tmp_path / "bag", [make_picture(seed=seed) for seed in range(3)])
    predict = ["predict", tmp_path / "now.png", INSTRUCTION, "-o"]
    statuses, output = run_commands(
        tmp_path / "cache",
        [*predict, tmp_path / "future.png"],
        [*predict, tmp_path / "other.png", "--checkpoint", tiny_checkpoint],  # carries no form
        ["view", tmp_path / "bag", "-o", tmp_path / "view.gif"],
        ["export", tiny_checkpoint, "-o", tmp_path / "exported"],
    )
    assert statuses == [0, 1, 1, 1] and "Traceback" not in output
    assert_close(cv2.imread(str(tmp_path / "future.png"))[:, :, ::-1], reference.predict(picture, INSTRUCTION))
    errors = [line for line in output.splitlines() if line.startswith("framepred: ")]
    assert "needs torch, diffusers, transformers" in errors[0] and "framepred export" in errors[0]
    assert "predicted_frame" in errors[1]  # the bag has none; that it could be read is what matters here
    assert "exporting needs PyTorch: pip install framepred_ros[torch]" in errors[2]


@pytest.mark.ros
def test_the_node_with_its_monitor(reference, tester):
    program = WITHOUT_TORCH + "from framepred_ros.node.predictor_node import main\nmain()"
    options = ["-r", "__ns:=/light", "-p", f"instruction:={INSTRUCTION}", "-p", "monitor:=true"]
    scores = tester.record(Float64MultiArray, "/light/predictor/monitor/scores")
    with Process(sys.executable, "-c", program, "--ros-args", *options) as process:
        camera = Camera(tester, "/light/")
        camera.wait_for_node()
        picture = make_picture()
        assert_close(rgb_from_image(camera.predict(picture)), reference.predict(picture, INSTRUCTION))
        for seed in range(1, 5):  # a second apart: the first prediction's moment comes after three
            camera.predict(make_picture(seed=seed))
        tester.wait_until(lambda: scores, "the monitor scores a prediction")
        code, _ = process.end()
        assert code == 0, process.output
        tester.destroy_publisher(camera.publisher)
