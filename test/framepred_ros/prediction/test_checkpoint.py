import json

import pytest
from tiny_checkpoint import make_tiny_checkpoint, make_tiny_full_checkpoint

from framepred_ros.prediction.checkpoint import (
    CheckpointInfo,
    read_checkpoint_info,
    resolve_checkpoint,
    write_checkpoint_info,
)
from framepred_ros.prediction.compositing import Compositing


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model_index.json").write_text("{}")
    return tmp_path


def test_round_trip(folder):
    info = CheckpointInfo(
        resolution=(240, 320),
        horizon=25,
        step_duration=0.06,
        steps=2,
        prediction_target="difference",
        compositing=Compositing(threshold=4),
        tasks=("a", "b"),
        metrics={"psnr": 26.5},
        recipe={"seed": 1},
    )
    write_checkpoint_info(folder, info)
    assert read_checkpoint_info(folder) == info
    assert [path.name for path in folder.glob("*.tmp")] == []


def test_published_weights_get_the_published_settings(tmp_path):
    info = read_checkpoint_info(make_tiny_full_checkpoint(tmp_path))
    assert info == CheckpointInfo(
        resolution=(64, 64), horizon=50, steps=100, guidance_scale=7.5, image_guidance_scale=1.5
    )


@pytest.mark.parametrize(
    "field, value",
    [
        ("resolution", [240]),
        ("resolution", [240, -1]),
        ("horizon", 0),
        ("horizon", True),
        ("step_duration", -0.1),
        ("steps", 1.5),
        ("one_step_noise", 0),
        ("prediction_target", "past"),
        ("guidance_scale", "high"),
        ("format_version", 2),
        ("compositing", {"threshold": -1}),
        ("compositing", {"colour": 1}),
        ("surprise", 1),
    ],
)
def test_errors_name_the_file_and_the_field(folder, field, value):
    path = write_checkpoint_info(folder, CheckpointInfo(resolution=(64, 64)))
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(ValueError) as error:
        read_checkpoint_info(folder)
    named = next(iter(value)) if isinstance(value, dict) else field
    assert str(path) in str(error.value) and named in str(error.value)


def test_broken_json_is_named(folder):
    (folder / "framepred.json").write_text("{")
    with pytest.raises(ValueError, match=r"framepred.json cannot be read as JSON"):
        read_checkpoint_info(folder)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model_index.json"):
        read_checkpoint_info(tmp_path)


def test_a_missing_folder_is_not_looked_up_elsewhere(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint folder"):
        resolve_checkpoint(tmp_path / "nothing")


def test_an_unreachable_hub_is_one_clear_error(monkeypatch):
    def refuse(*arguments, **keywords):
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(FileNotFoundError, match="someone/weights is neither a folder here nor"):
        resolve_checkpoint("someone/weights")


def test_a_saved_checkpoint_holds_only_safetensors_and_json(tmp_path):
    suffixes = {path.suffix for path in make_tiny_checkpoint(tmp_path).rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors"}
