"""What a run goes on from: its own dataset and weights, told by their content, and states of earlier versions."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from moving_squares import make_moving_squares
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from training_runs import arguments, newest_state, steps_saved

from training.dataset.index import load_manifest
from training.train import main
from training.trainer.state import read_identity
from training.trainer.weights import digest_weights

RESUMED = ("optimization.max_steps=2", "--resume", "auto")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_moving_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def begun(dataset, tmp_path_factory):
    """A run that was stopped after a step."""
    output = tmp_path_factory.mktemp("begun")
    assert main(arguments(dataset, output, "optimization.max_steps=1")) == 0
    return output


def copy(folder, to):
    shutil.copytree(folder, to)
    return to


def test_the_digest_is_that_of_the_content(dataset):
    manifest = load_manifest(dataset)
    renamed = replace(manifest, source=({"format": "x", "name": "elsewhere"},), embedded=("parquet",))
    changed = replace(manifest, episodes=(replace(manifest.episodes[0], checksum="other"), *manifest.episodes[1:]))
    digests = [each.digest() for each in (manifest, renamed, changed, replace(manifest, horizon=9))]
    assert digests[0] == digests[1] and len(set(digests)) == 3


def test_the_same_dataset_in_another_place_goes_on(dataset, begun, tmp_path):
    output, moved = copy(begun, tmp_path / "run"), copy(dataset, tmp_path / "moved")
    assert main(arguments(moved, output, *RESUMED)) == 0
    assert steps_saved(output) == 2


def test_another_dataset_with_the_same_counts_is_refused_and_nothing_touched(begun, tmp_path, capsys):
    output, other = copy(begun, tmp_path / "run"), make_moving_squares(tmp_path / "other", seed=1)
    before = {path: path.read_bytes() for path in sorted(output.rglob("*")) if path.is_file()}
    assert main(arguments(other, output, *RESUMED)) == 1
    assert "belongs to another run: dataset differ" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in sorted(output.rglob("*")) if path.is_file()}


def test_the_autoencoder_is_that_of_the_dataset(dataset, tmp_path):
    """A run that was killed before its first state leaves its autoencoder behind."""
    other = make_moving_squares(tmp_path / "other", seed=1)
    short = "optimization.max_steps=1"
    for folder in (dataset, other):
        assert main(arguments(folder, tmp_path / "run", short)) == 0
        shutil.rmtree(tmp_path / "run" / "states")
    assert main(arguments(other, tmp_path / "fresh", short)) == 0
    weights = [load_file(tmp_path / name / "autoencoder" / "weights.safetensors") for name in ("run", "fresh")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_weights_count_by_their_content(dataset, begun, tmp_path, capsys):
    first = copy(begun / "checkpoint", tmp_path / "first")
    assert main(arguments(dataset, tmp_path / "run", f"model.weights={first}", "optimization.max_steps=1")) == 0
    second = copy(first, tmp_path / "second")
    (second / "README.md").write_text("another card")
    assert digest_weights(first) == digest_weights(second)
    assert main(arguments(dataset, tmp_path / "run", f"model.weights={second}", *RESUMED)) == 0

    path = next((second / "unet").glob("*.safetensors"))
    save_file({name: tensor + 1 for name, tensor in load_file(path).items()}, path)
    assert main(arguments(dataset, tmp_path / "run", f"model.weights={second}", *RESUMED)) == 1
    assert "belongs to another run: weights differ" in capsys.readouterr().err
    assert main(arguments(dataset, tmp_path / "run", *RESUMED)) == 1
    assert "weights differ" in capsys.readouterr().err


def test_states_of_earlier_versions_go_on(dataset, begun, tmp_path, capsys):
    """They name the weights' place, neither dataset nor validation episodes, and lack what recipes learned since."""
    output = copy(begun, tmp_path / "run")
    identity = read_identity(output)
    for name in ("dataset", "weights", "validation_episodes"):
        del identity[name]
    identity["model"] |= {"weights": None}
    del identity["model"]["conditions"], identity["data"]["max_samples"]
    state = newest_state(output)
    with safe_open(state, "pt") as file:
        metadata = file.metadata()
    save_file(load_file(state), state, metadata | {"identity": json.dumps(identity)})
    assert main(arguments(dataset, output, *RESUMED, "data.mirror=true")) == 1
    assert "belongs to another run: data differ" in capsys.readouterr().err
    assert main(arguments(dataset, output, *RESUMED)) == 0
    assert steps_saved(output) == 2 and "dataset" in read_identity(output)
