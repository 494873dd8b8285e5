"""What robots do to a node, on a tiny checkpoint: benchmarks.faults and benchmarks.soak in short."""

import pytest

from benchmarks.faults import run_faults
from benchmarks.rig import Rig
from benchmarks.soak import soak

pytestmark = [pytest.mark.ros, pytest.mark.slow]


@pytest.fixture
def rig(tiny_checkpoint, tmp_path):
    rig = Rig(tmp_path / "logs", str(tiny_checkpoint))
    yield rig
    rig.close()


@pytest.mark.timeout(600)
def test_every_fault_is_survived_and_no_prediction_is_of_an_older_frame(rig, tmp_path):
    outcomes = list(run_faults(rig, tmp_path, messages=300, storm=1.0))
    assert len(outcomes) == 11
    for outcome in outcomes:
        assert outcome.survived == outcome.tried > 0, outcome
        assert outcome.out_of_order == 0, outcome


def test_a_node_slower_than_its_camera_predicts_from_ever_newer_frames_and_does_not_grow(rig):
    with rig.start(steps=60) as node:
        result = soak(rig, node, rate=60.0, seconds=10.0)
    summary = result.summary()
    assert 0 < summary["predictions"] < 0.8 * summary["frames sent"], "the node is the slower one"
    assert summary["out of order"] == 0
    # Frames queue nowhere: after ten seconds at this rate a queue would be seconds old.
    assert summary["median latency, last tenth"] < 3 * summary["median latency, first tenth"] + 0.5
    assert result.memory[-1][1] < 1.2 * result.memory[0][1]
