"""What a node process does not import."""

import json
import subprocess
import sys

import numpy as np
import pytest

from framepred_ros import FramePredictor
from framepred_ros.node.lean_imports import hidden, unneeded_packages

PROGRAM = """
import sys
import numpy as np
from framepred_ros.node.model import open_predictor

predictor = open_predictor(sys.argv[1], "cpu", "fast", 0, 0, [None])
assert not {"peft", "scipy"} & set(sys.modules), "they take a third of the time"
import scipy
from framepred_ros import metrics
frame = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
np.save(sys.argv[2], predictor.predict(frame, "stack the blocks"))
"""


def test_a_node_process_predicts_the_same_without_them(tiny_checkpoint, tmp_path):
    output = tmp_path / "predicted.npy"
    subprocess.run([sys.executable, "-c", PROGRAM, str(tiny_checkpoint), str(output)], check=True)
    frame = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    expected = FramePredictor.from_pretrained(tiny_checkpoint, device="cpu").predict(frame, "stack the blocks")
    np.testing.assert_array_equal(np.load(output), expected)


@pytest.mark.parametrize(
    ("config", "packages"),
    [
        ({"_class_name": "DDIMScheduler"}, ["peft", "scipy"]),
        ({"_class_name": "LMSDiscreteScheduler"}, ["peft"]),
        ({"_class_name": "EulerDiscreteScheduler", "use_beta_sigmas": True}, ["peft"]),
    ],
)
def test_a_scheduler_gets_the_packages_that_it_needs(tmp_path, config, packages):
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    assert unneeded_packages(tmp_path) == packages


@pytest.mark.parametrize("package", ["diffusers", "transformers"])
def test_nothing_is_hidden_from_a_process_that_has_imported_who_asks(monkeypatch, package):
    for name in ("diffusers", "transformers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, package, object())
    with hidden(["framepred_ros_no_such_package"]):
        assert "framepred_ros_no_such_package" not in sys.modules
