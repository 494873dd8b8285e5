"""Compiled forms: carried, cached, stale, foreign, damaged."""

import gzip
import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_checkpoint import make_tiny_checkpoint, make_tiny_full_checkpoint

from framepred_ros import FramePredictor
from framepred_ros.prediction.cache import CACHE_VARIABLE
from framepred_ros.prediction.light import choice, export
from framepred_ros.prediction.light.choice import NotLight, find_form
from framepred_ros.prediction.light.export import export_checkpoint
from framepred_ros.prediction.light.form import FOLDER, WEIGHTS, FormError, digest, read_form
from framepred_ros.prediction.light.predictor import LightPredictor

pytest.importorskip("openvino")

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Exporting traces, which takes seconds."""
    folder = tmp_path_factory.mktemp("exported")
    return export_checkpoint(make_tiny_checkpoint(folder / "checkpoint"), folder / "light")


@pytest.fixture
def folder(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "light")


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setattr(choice, "_installed", lambda name: name not in choice.TORCH)


def open_it(folder, engine="openvino") -> FramePredictor:
    return FramePredictor.from_pretrained(folder, "cpu", engine=engine)


def change_weights(folder):
    path = folder / WEIGHTS["unet"]
    tensors = load_file(path)
    tensors["conv_out.bias"] = tensors["conv_out.bias"] + 1
    save_file(tensors, path)


def test_an_export_is_a_whole_checkpoint_that_carries_its_form(exported, cache, no_torch):
    light = open_it(exported, "auto")  # too small for "auto" where PyTorch is
    assert isinstance(light, LightPredictor) and not cache.exists()
    assert light.predict(IMAGE, "go").shape == IMAGE.shape
    assert sum(path.stat().st_size for path in (exported / FOLDER).iterdir()) < 100_000


def test_weights_stay_where_they_are(exported):
    form = read_form(exported / FOLDER, digest(exported))
    for name, graph in form.graphs.items():
        assert len(graph.constants) < 4096 < graph.size
        block = np.zeros(graph.size, np.uint8)
        graph.fill(block, exported / WEIGHTS[name])
        tensors = load_file(exported / WEIGHTS[name])
        for key, offset in graph.weights.items():
            values = tensors[key].tobytes()
            assert block[offset : offset + len(values)].tobytes() == values


def test_a_form_of_other_weights_is_noticed_and_not_used(folder, monkeypatch):
    before = open_it(folder).predict(IMAGE, "go")
    change_weights(folder)
    with pytest.warns(UserWarning, match="was made of other weights.*not used.*framepred export"):
        after = open_it(folder)
    assert np.abs(after.predict(IMAGE, "go").astype(int) - before).max() > 3
    reference = open_it(folder, "fast").predict(IMAGE, "go")
    assert np.abs(after.predict(IMAGE, "go").astype(int) - reference).max() <= 1
    # It is in the cache now, and made no second time.
    monkeypatch.setattr(export, "write_form", lambda *_: pytest.fail("made again"))
    with pytest.warns(UserWarning, match="other weights"):
        assert isinstance(open_it(folder), LightPredictor)


def test_without_pytorch_a_form_of_other_weights_is_no_form(folder, no_torch):
    change_weights(folder)
    with (
        pytest.warns(UserWarning, match="other weights"),
        pytest.raises(ImportError, match=r"needs torch.*framepred_ros\[torch\].*other weights.*framepred export"),
    ):
        open_it(folder)


def damage_graph(form):
    path = form / "unet.xml.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"f32", b"f16", 1)))


def damage_manifest(form):
    (form / "form.json").write_text("{")


def forget_a_weight(form):
    path = form / "form.json"
    content = json.loads(path.read_text())
    content["graphs"]["unet"]["weights"].popitem()
    path.write_text(json.dumps(content))


def truncate_constants(form):
    path = form / "constants.safetensors"
    path.write_bytes(path.read_bytes()[:-5])


def replace_by_link(form):
    (form / "tokenizer.json").rename(form / "elsewhere.json")
    (form / "tokenizer.json").symlink_to(form / "elsewhere.json")


def of_another_version(form):
    path = form / "form.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))


DAMAGES = [damage_graph, damage_manifest, truncate_constants, replace_by_link, of_another_version]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_form_is_noticed(folder, damage):
    damage(folder / FOLDER)
    with pytest.raises(FormError, match=str(folder / FOLDER)):
        read_form(folder / FOLDER, digest(folder))


def test_a_form_that_lacks_a_weight_leaves_it_to_pytorch(folder):
    forget_a_weight(folder / FOLDER)
    assert not isinstance(open_it(folder), LightPredictor)


def test_a_damaged_form_in_the_cache_is_made_anew(folder, cache):
    shutil.rmtree(folder / FOLDER)
    assert isinstance(open_it(folder), LightPredictor)
    (cached,) = cache.iterdir()
    damage_manifest(cached)
    assert isinstance(open_it(folder), LightPredictor)
    read_form(cached, digest(folder))


def test_without_a_place_for_the_form_pytorch_predicts(folder, cache):
    shutil.rmtree(folder / FOLDER)
    cache.write_text("in the way")
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert not isinstance(open_it(folder), LightPredictor)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("cpu", None, "fast"), "engine 'fast'"),
        (("cuda", None, "auto"), "device 'cuda'"),
        (("cpu", "torch.bfloat16", "openvino"), "bfloat16"),
        (("cpu", None, "auto"), "other sizes"),
    ],
)
def test_what_is_pytorchs_is_left_to_it(exported, given, reason):
    with pytest.raises(NotLight, match=reason):
        find_form(exported, *given)


def test_other_autoencoders_are_left_to_pytorch(tmp_path, no_torch):
    folder = make_tiny_full_checkpoint(tmp_path / "full")
    with pytest.raises(ImportError, match="needs torch, diffusers, transformers.*AutoencoderKL"):
        open_it(folder)
    with pytest.raises(ValueError, match="cannot be run without PyTorch: its autoencoder is 'AutoencoderKL'"):
        export_checkpoint(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_gets_its_form_in_place_and_nothing_else_is_overwritten(folder, tmp_path):
    shutil.rmtree(folder / FOLDER)
    before = digest(folder)
    assert export_checkpoint(folder, folder) == folder
    read_form(folder / FOLDER, before)
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match="mine exists; name a new folder"):
        export_checkpoint(folder, tmp_path / "mine")
    with pytest.raises(FileNotFoundError, match="no such folder for the output"):
        export_checkpoint(folder, tmp_path / "absent" / "out")
