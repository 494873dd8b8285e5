import json

import pytest
from ros_testing import make_picture
from tiny_checkpoint import make_tiny_checkpoint

from benchmarks.conversions import measure_conversions, past_ways
from benchmarks.node import main
from framepred_ros import FramePredictor
from framepred_ros.ros.local_network import PROFILE_VARIABLES


@pytest.mark.ros
@pytest.mark.slow
def test_a_live_node_is_fed_questioned_and_ended(tmp_path, capsys, monkeypatch):
    for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", *PROFILE_VARIABLES):
        monkeypatch.delenv(name, raising=False)  # the command sets them for its own process
    checkpoint = make_tiny_checkpoint(tmp_path / "checkpoint")
    assert main(["--seconds=3", "--checkpoint", str(checkpoint), f"--out={tmp_path / 'out'}"]) == 0
    content = json.loads((tmp_path / "out/node.json").read_text())
    paused, predicting = content["live"]["paused"], content["live"]["predicting"]
    for watch in (paused, predicting):
        assert watch["sent"] > 30 and watch["answers"] and watch["memory"]
        assert len(watch["lateness"]) > 20 and all(late > 0 for late in watch["lateness"])
    assert len(predicting["latencies"]) > 3 > len(paused["latencies"])
    conversions = {each["name"]: each for each in content["conversions"]}
    for name in ("message to picture", "picture to message", "together"):
        assert conversions[name]["ours"] < conversions[name]["plain"]
    assert (tmp_path / "out/node.png").is_file()
    assert "answer to a request" in capsys.readouterr().out


def test_the_past_that_the_node_keeps_is_what_decoding_all_of_it_again_gives(tmp_path):
    checkpoint = make_tiny_checkpoint(tmp_path, history=(2, 5), history_channels=4)
    predictor = FramePredictor.from_pretrained(checkpoint, device="cpu", engine="fast")
    ours, plain = past_ways(make_picture(), predictor)
    expected = plain()
    for _ in range(3):
        kept = ours()
        assert kept.present.all() and (kept.pixels == expected.pixels).all()
    names = [each.name for each in measure_conversions(make_picture(), "go", predictor)]
    assert names[-2:] == ["the past, kept and given", "together"]
