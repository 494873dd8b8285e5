"""The dataset card: what the Hub reads of it, its numbers, its picture."""

import datasets
import pytest
import yaml
from dataset_files import HORIZON, build, rgb
from robotwin_files import identify, write_task

from training.dataset.index import load_manifest, load_split

HAMMER, STACK = "block_hammer_beat", "blocks_stack_easy"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("card")
    write_task(root / "episodes", HAMMER, [25, 26, 27])
    write_task(root / "more", STACK, [30, 20, 22])
    assert build([root / "episodes", root / "more"], root / "dataset", "--jpeg-quality", "90") == 0
    return root / "dataset"


def test_header_as_the_hub_reads_it(dataset):
    _, header, text = (dataset / "README.md").read_text().split("---\n", 2)
    header = yaml.safe_load(header)
    assert header["task_categories"] == ["image-to-image"]
    assert header["size_categories"] == ["n<1K"]
    files = {entry["split"]: entry["path"] for entry in header["configs"][0]["data_files"]}
    assert files == {"train": "train/**", "test": "test/**"}
    assert "![Now and 20 steps later](example.png)" in text


def test_numbers_and_command(dataset):
    text = (dataset / "README.md").read_text()
    counts = load_manifest(dataset).splits["train"]["tasks"][HAMMER]
    assert f"| {HAMMER} | train | 2 | {counts['frames']} | {counts['pairs']} | {counts['rows']} |" in text
    assert "| 0 | episodes | robotwin1 | head_camera | 3 | 18 |" in text
    assert "| 1 | more | robotwin1 | head_camera | 2 | 12 |" in text
    assert "1 episodes too short for a pair, 0 unreadable" in text
    assert f"training.build_dataset SOURCE... --out DIR --horizon {HORIZON} --jpeg-quality 90\n" in text


def test_the_example_shows_a_pair_of_each_task(dataset):
    picture = rgb(dataset / "example.png")
    pictures = {}
    for row in [*load_split(dataset, "train"), *load_split(dataset, "test")]:
        pictures[row.task, row.episode, row.frame] = row
    height = picture.shape[0] // 2
    for line, task in enumerate((HAMMER, STACK)):
        strip = picture[line * height + 22 : line * height + 22 + 48]
        now, later = identify(strip[:, :64]), identify(strip[:, 70:134])
        assert later == (now[0], now[1] + HORIZON)
        assert (task, *now) in pictures


@pytest.mark.parametrize("how", ["imagefolder", "folder"])
def test_the_example_is_no_data(dataset, tmp_path, how):
    arguments = {"path": "imagefolder", "data_dir": str(dataset)} if how == "imagefolder" else {"path": str(dataset)}
    loaded = datasets.load_dataset(**arguments, cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in loaded.items()} == {
        split: len(load_split(dataset, split)) for split in ("train", "test")
    }
    assert loaded["train"].column_names[:3] == ["input_image", "edit_prompt", "edited_image"]
