"""What a node process does not import, and what it never searches for garbage."""

import gc
import json
import subprocess
import sys
import weakref

import numpy as np
import pytest

from framepred_ros import FramePredictor
from framepred_ros.node.model_imports import hidden, lasting_objects, unneeded_packages

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


class Knot:
    """Refers to itself: only the collector can free it."""

    def __init__(self):
        self.me = self


def test_lasting_objects_are_not_searched_again_and_later_ones_are():
    with lasting_objects():
        assert not gc.isenabled()
        model = [Knot() for _ in range(100)]
        frozen_before = gc.get_freeze_count()
    assert gc.isenabled() and gc.get_freeze_count() >= frozen_before + 100
    assert not any(each is model for each in gc.get_objects())
    garbage = weakref.ref(Knot())
    gc.collect()
    assert garbage() is None
    gc.unfreeze()


def test_a_failed_load_leaves_the_collector_on():
    with pytest.raises(ValueError), lasting_objects():
        raise ValueError
    assert gc.isenabled()
    gc.unfreeze()
