import json

import pytest
from tiny_checkpoint import make_tiny_checkpoint

from benchmarks.conditions import conditioned, main
from framepred_ros import FramePredictor

CONDITIONS = {"horizons": (1, 100), "history": (10, 25), "history_channels": 4}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The command sets the variable for its own process."""
    monkeypatch.setenv("FRAMEPRED_CACHE", str(tmp_path))


@pytest.mark.parametrize("conditions", [{}, CONDITIONS], ids=["of one horizon", "with conditions"])
def test_every_variant_is_timed_beside_the_plain_one(tmp_path, capsys, conditions):
    checkpoint = make_tiny_checkpoint(tmp_path / "checkpoint", **conditions)
    options = ["--device=cpu", "--engine=fast", "--calls=2", f"--out={tmp_path / 'out'}"]
    assert main(["--checkpoint", str(checkpoint), *options]) == 0
    costs = json.loads((tmp_path / "out/conditions.json").read_text())["costs"]
    assert [each["variant"] for each in costs[:4]] == ["plain", "horizon", "past", "both"]
    assert costs[0]["ratio"] == 1 and all(each["seconds"] > 0 for each in costs)
    assert (tmp_path / "out/conditions.png").is_file() and "strip of four" in capsys.readouterr().out


def test_a_variant_takes_what_it_is_asked_to_take(tmp_path):
    predictor = FramePredictor.from_pretrained(
        make_tiny_checkpoint(tmp_path, **CONDITIONS), device="cpu", engine="fast"
    )
    plain = conditioned(predictor, None, (), "fast")
    assert (plain.horizons, plain.history, plain.unet.config.in_channels) == ((50, 50), (), 24)
    both = conditioned(plain, (5, 60), (10, 25, 50), "fast")
    assert (both.horizons, both.history, both.unet.config.in_channels) == ((5, 60), (10, 25, 50), 24 + 3 * 13)


def test_a_missing_checkpoint_is_one_line(tmp_path, capsys):
    assert main(["--checkpoint", str(tmp_path / "none"), f"--out={tmp_path / 'out'}"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
