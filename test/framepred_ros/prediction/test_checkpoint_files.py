"""A checkpoint folder from anybody is refused, with the file's name, before its weights are read."""

import json
import pickle
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_checkpoint import make_tiny_full_checkpoint

from framepred_ros import FramePredictor
from framepred_ros.prediction import checkpoint_files
from framepred_ros.prediction.checkpoint import shipped_checkpoint
from framepred_ros.prediction.checkpoint_files import check_checkpoint_files

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tiny_checkpoint, tmp_path):
    """A good checkpoint, to be spoiled."""
    check_checkpoint_files(tiny_checkpoint)
    return shutil.copytree(tiny_checkpoint, tmp_path / "spoiled")


def change_json(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def pickled_weights(folder):
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps({}))


def only_pickled_weights(folder):
    (folder / "unet" / "weights.data").write_bytes(pickle.dumps({}))
    (folder / UNET).unlink()


def code_beside_the_weights(folder):
    (folder / "unet" / "modeling.py").write_text("raise SystemExit")


def code_named_by_a_config(folder):
    change_json(folder / "text_encoder" / "config.json", auto_map={"AutoModel": "modeling.Mine"})


def another_pipeline(folder):
    change_json(folder / "model_index.json", _class_name="StableDiffusionPipeline")


def another_class(folder):
    change_json(folder / "model_index.json", unet=["os", "system"])


def no_class(folder):
    change_json(folder / "model_index.json", vae=None)


def a_link_out(folder):
    (folder / "vae" / "config.json").unlink()
    (folder / "vae" / "config.json").symlink_to("/etc/hostname")


def a_broken_link(folder):
    (folder / "vae" / "notes.json").symlink_to(folder / "vae" / "nothing.json")


def cut_short(folder):
    data = (folder / UNET).read_bytes()
    (folder / UNET).write_bytes(data[: len(data) // 2])


def a_header_that_lies(folder):
    data = bytearray((folder / UNET).read_bytes())
    data[:8] = (2**62).to_bytes(8, "little")
    (folder / UNET).write_bytes(data)


def whole_numbers_as_weights(folder):
    weights = load_file(folder / UNET)
    save_file({name: value.astype(np.uint8) for name, value in weights.items()}, folder / UNET)


def broken_json(folder):
    (folder / "scheduler" / "scheduler_config.json").write_text("{")


def no_tokenizer(folder):
    shutil.rmtree(folder / "tokenizer")


@pytest.mark.parametrize(
    "spoil, named",
    [
        (pickled_weights, "diffusion_pytorch_model.bin could run code"),
        (only_pickled_weights, "unet/ has no .safetensors"),
        (code_beside_the_weights, "unet/modeling.py could run code"),
        (code_named_by_a_config, "text_encoder/config.json names code of its own"),
        (another_pipeline, "_class_name must be StableDiffusionInstructPix2PixPipeline"),
        (another_class, "unet must be diffusers.UNet2DConditionModel, not .'os', 'system'."),
        (no_class, "vae must be .* not None"),
        (a_link_out, "vae/config.json is a link out of the folder"),
        (a_broken_link, "vae/notes.json is not a regular file"),
        (cut_short, f"{UNET}: it is damaged"),
        (a_header_that_lies, f"{UNET}: it is damaged"),
        (whole_numbers_as_weights, f"{UNET}: tensor .* is stored as U8"),
        (broken_json, "scheduler/scheduler_config.json cannot be read as JSON"),
        (no_tokenizer, "tokenizer/ is missing or empty"),
    ],
)
def test_what_a_checkpoint_may_not_hold_is_refused_by_name(folder, spoil, named):
    spoil(folder)
    with pytest.raises(ValueError, match=f"{folder} cannot be loaded as a checkpoint: .*{named}"):
        FramePredictor.from_pretrained(folder, device="cpu")


@pytest.mark.parametrize("limit, named", [("LARGEST_CHECKPOINT", "it holds"), ("LARGEST_JSON", "model_index.json has")])
def test_sizes_are_bounded(folder, monkeypatch, limit, named):
    monkeypatch.setattr(checkpoint_files, limit, 100)
    with pytest.raises(ValueError, match=named):
        check_checkpoint_files(folder)


def test_the_shipped_checkpoint_and_published_layouts_pass(tmp_path):
    check_checkpoint_files(shipped_checkpoint())
    check_checkpoint_files(make_tiny_full_checkpoint(tmp_path))


def test_a_download_may_link_into_its_own_cache_only(tiny_checkpoint, tmp_path):
    """The layout of the hub's cache: snapshots of links to blobs."""
    model = tmp_path / "models--someone--weights"
    snapshot = model / "snapshots" / "0123"
    shutil.copytree(tiny_checkpoint, snapshot)
    (model / "blobs").mkdir()
    shutil.move(snapshot / UNET, model / "blobs" / "abc")
    (snapshot / UNET).symlink_to("../../../blobs/abc")
    check_checkpoint_files(snapshot)
    shutil.move(model / "blobs" / "abc", tmp_path / "abc")
    (snapshot / UNET).unlink()
    (snapshot / UNET).symlink_to(tmp_path / "abc")
    with pytest.raises(ValueError, match="link out of the folder"):
        check_checkpoint_files(snapshot)
