"""Self-contained rows: opened without this package, complete, bounded shards, and what diffusers' example asks for."""

import json
import subprocess
import sys

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from dataset_files import build, contents
from robotwin_files import identify, write_task

from training.dataset import embedding
from training.dataset.index import load_manifest, load_split

HAMMER = "block_hammer_beat"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("embed")
    write_task(root / "episodes", HAMMER, [60, 63, 45])
    assert build(root / "episodes", root / "dataset", "--embed", "parquet", "--embed", "arrow") == 0
    return root / "dataset"


READ = """
import sys, json
from datasets import load_dataset, load_from_disk
how, folder, cache = sys.argv[1:]
loaded = load_from_disk(folder) if how == "arrow" else load_dataset(folder, cache_dir=cache)
rows = {split: [(r["task"], r["episode"], r["frame"], r["edit_prompt"], r["input_image"].size) for r in loaded[split]]
        for split in loaded}
assert not any(name.split(".")[0] in ("training", "framepred_ros") for name in sys.modules)
print(json.dumps(rows))
"""


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_opens_without_this_package(dataset, tmp_path, form):
    command = [sys.executable, "-c", READ, form, str(dataset / form), str(tmp_path / "cache")]
    printed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    expected = {
        split: [[row.task, row.episode, row.frame, row.prompt, [64, 48]] for row in load_split(dataset, split)]
        for split in ("train", "test")
    }
    assert json.loads(printed.splitlines()[-1]) == expected


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_pictures_are_the_stored_files(dataset, tmp_path, form):
    folder = str(dataset / form)
    load = datasets.load_from_disk if form == "arrow" else datasets.load_dataset
    arguments = {} if form == "arrow" else {"cache_dir": str(tmp_path)}
    rows = load(folder, **arguments)["train"]
    undecoded = rows.cast_column("edited_image", datasets.Image(decode=False))
    for row, picture in zip(load_split(dataset, "train"), undecoded["edited_image"], strict=True):
        assert picture["bytes"] == row.edited_image.read_bytes()
    assert identify(np.asarray(rows[5]["input_image"])) == (rows[5]["episode"], rows[5]["frame"])


def test_the_folder_itself_still_opens(dataset, tmp_path):
    for arguments in ({"path": "imagefolder", "data_dir": str(dataset)}, {"path": str(dataset)}):
        loaded = datasets.load_dataset(**arguments, cache_dir=str(tmp_path))
        assert {split: len(rows) for split, rows in loaded.items()} == {
            split: len(load_split(dataset, split)) for split in ("train", "test")
        }


def test_shards_are_bounded_and_the_same_every_time(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "BATCH_ROWS", 10)
    manifest, rows = load_manifest(dataset), len(load_split(dataset, "train"))
    picture = max(len(data) for name, data in contents(dataset / "train").items() if name.endswith(".jpg"))
    for folder in ("once", "again"):
        (tmp_path / folder).mkdir()
        for name in ("train", "test", "example.png"):
            (tmp_path / folder / name).symlink_to(dataset / name)
        embedding.embed("parquet", manifest, tmp_path / folder, shard_bytes=20_000)
    assert contents(tmp_path / "once" / "parquet") == contents(tmp_path / "again" / "parquet")
    shards = sorted((tmp_path / "once" / "parquet" / "data").glob("train-*"))
    assert [shard.name for shard in shards] == [
        f"train-{k:05d}-of-{len(shards):05d}.parquet" for k in range(len(shards))
    ]
    assert len(shards) > 1
    assert sum(pq.read_metadata(shard).num_rows for shard in shards) == rows
    batch = embedding.BATCH_ROWS * 2 * (picture + 300)
    assert all(shard.stat().st_size < 20_000 + batch for shard in shards)


def test_embedding_can_be_added_later(tmp_path, dataset, capsys):
    write_task(tmp_path / "episodes", HAMMER, [60, 63, 45])
    assert build(tmp_path / "episodes", tmp_path / "d") == 0
    capsys.readouterr()
    assert build(tmp_path / "episodes", tmp_path / "d", "--embed", "arrow", "--embed") == 0
    assert contents(tmp_path / "d") == contents(dataset)


def diffusers_columns(loaded):
    """How train_instruct_pix2pix.py (huggingface/diffusers, examples/instruct_pix2pix) finds its columns untold."""
    names = loaded["train"].column_names
    return {"original_image": names[0], "edit_prompt": names[1], "edited_image": names[2]}


@pytest.mark.parametrize("option", ["train_data_dir", "dataset_name"])
def test_diffusers_example_accepts_it(dataset, tmp_path, option):
    """The script's own calls of load_dataset, and what its preprocessing does with the columns."""
    if option == "train_data_dir":
        files = {"train": str(dataset / "train" / "**")}
        loaded = datasets.load_dataset("imagefolder", data_files=files, cache_dir=str(tmp_path))
    else:
        loaded = datasets.load_dataset(str(dataset / "parquet"), None, cache_dir=str(tmp_path))
    columns = diffusers_columns(loaded)
    assert list(columns.values()) == ["input_image", "edit_prompt", "edited_image"]
    train = loaded["train"].shuffle(seed=42).select(range(20))
    assert len(train) == 20

    def preprocess_train(examples):
        for column in ("original_image", "edited_image"):
            pictures = [picture.convert("RGB").resize((32, 32)) for picture in examples[columns[column]]]
            examples[column] = [np.array(picture).transpose(2, 0, 1) for picture in pictures]
        assert all(isinstance(prompt, str) for prompt in examples[columns["edit_prompt"]])
        return {name: examples[name] for name in columns}

    example = train.with_transform(preprocess_train)[0]
    assert np.shape(example["original_image"]) == np.shape(example["edited_image"]) == (3, 32, 32)
