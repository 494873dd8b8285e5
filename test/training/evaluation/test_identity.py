"""What a score depends on: whatever of it changes, nothing that was scored before is used again."""

import os
from types import SimpleNamespace

import pytest
import torch
from moving_squares import make_moving_squares

from training.evaluation.predictors.by_task import ByTask
from training.evaluation.predictors.copying import Copying
from training.evaluation.predictors.specs import ByTaskSpec, CheckpointSpec
from training.evaluation.scoring import run
from training.evaluation.scoring.measure import MeasureOptions
from training.evaluation.scoring.run import identity, load_pairs


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return load_pairs(make_moving_squares(tmp_path_factory.mktemp("squares")), "test", 2)


@pytest.fixture
def checkpoints(tmp_path):
    """Folders of two checkpoints, of which only the files count here."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.safetensors").write_text("before")
    return {name: str(tmp_path / name) for name in ("one", "two")}


def retrain(folder):
    path = os.path.join(folder, "weights.safetensors")
    with open(path, "a") as file:
        file.write("after")


def test_a_retrained_checkpoint_is_another_also_one_of_several(pairs, checkpoints):
    for spec in (CheckpointSpec(checkpoints["two"]), ByTaskSpec(checkpoints)):
        before = identity(spec, pairs, MeasureOptions(), Copying())
        assert identity(spec, pairs, MeasureOptions(), Copying()) == before
        retrain(checkpoints["two"])
        assert identity(spec, pairs, MeasureOptions(), Copying()) != before


def test_other_code_is_another(pairs, checkpoints, monkeypatch):
    spec = CheckpointSpec(checkpoints["one"])
    before = identity(spec, pairs, MeasureOptions(), Copying())
    monkeypatch.setattr(run, "code_version", lambda: "another")
    assert identity(spec, pairs, MeasureOptions(), Copying()) != before


def test_other_arithmetic_is_another_also_of_one_of_several(pairs, checkpoints):
    def predictor(dtype, device="cpu"):
        model = SimpleNamespace(dtype=dtype, device=torch.device(device), sampler=object())
        single = SimpleNamespace(model=model)
        return single, ByTask.__new__(ByTask), model

    identities = []
    for dtype in (torch.float32, torch.float16):
        single, several, _ = predictor(dtype)
        several.predictors = {"a": Copying(), "b": single}
        for spec, made in ((CheckpointSpec(checkpoints["one"]), single), (ByTaskSpec(checkpoints), several)):
            identities.append(str(identity(spec, pairs, MeasureOptions(), made)))
    assert len(set(identities)) == 4
