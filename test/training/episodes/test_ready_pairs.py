"""The reader of ready pairs: folders of pictures, and the forms of Hugging Face's `datasets`."""

import pickle

import numpy as np
import pytest
from dataset_files import build, rgb
from datasets import Dataset, DatasetDict, Features, Image, Value
from PIL import Image as Pillow
from robotwin_files import identify, picture

from training.dataset.index import load_manifest, load_split
from training.episodes import EpisodeError, SourceOptions, detect_format, open_source

HORIZON = 5
PROMPTS = ["Stack.", "Pour.", "Wipe.", "Stack."]


def write_folder(root, task="stack", count=3, names="{:03d}.png"):
    for side, shift in (("input", 0), ("target", 30)):
        (root / task / side).mkdir(parents=True)
        for number in range(count):
            Pillow.fromarray(picture(number, number + shift)).save(root / task / side / names.format(number))
    return root


def table(**columns):
    count = len(PROMPTS)
    pictures = {
        "input_image": [Pillow.fromarray(picture(number, number)) for number in range(count)],
        "edit_prompt": PROMPTS,
        "edited_image": [Pillow.fromarray(picture(number, number + 30)) for number in range(count)],
    }
    features = Features({"input_image": Image(), "edit_prompt": Value("string"), "edited_image": Image()})
    for name, values in columns.items():
        features[name] = Value("string" if isinstance(values[0], str) else "int64")
    return Dataset.from_dict(pictures | columns, features=features)


def write_image_folder(root, data):
    (root / "train").mkdir(parents=True)
    lines = []
    for number, row in enumerate(data):
        names = {name: f"{number}_{name}.png" for name in ("input_image", "edited_image")}
        for name, file in names.items():
            row[name].save(root / "train" / file)
        lines.append({f"{name}_file_name": file for name, file in names.items()} | {"edit_prompt": row["edit_prompt"]})
    Dataset.from_list(lines).to_json(root / "train" / "metadata.jsonl")


def write_shards(root, data):
    (root / "data").mkdir(parents=True)
    for index in range(2):
        data.shard(2, index, contiguous=True).to_parquet(root / "data" / f"train-0000{index}-of-00002.parquet")


FORMS = {
    "parquet": write_shards,
    "arrow": lambda root, data: data.save_to_disk(root),
    "arrow splits": lambda root, data: DatasetDict(train=data).save_to_disk(root),
    "image folder": write_image_folder,
}


def shown(source):
    """Per episode what its two pictures show."""
    return [
        [identify(frame) for _, frame in pickle.loads(pickle.dumps(each)).read([0, len(each) - 1])]
        for each in source.episodes
    ]


def expected(count):
    return [[(number, number), (number, number + 30)] for number in range(count)]


@pytest.mark.parametrize("names", ["{:03d}.png", "frame_{}.JPEG", "7_{}.jpg"])
def test_folders_of_pictures(tmp_path, names):
    write_folder(tmp_path, names=names)
    assert detect_format(tmp_path) == "pairs"
    for path in (tmp_path, tmp_path / "stack"):
        source = open_source(path, SourceOptions(horizon=HORIZON, instruction="Stack."))
        assert [(e.task, e.number, len(e), e.seen) for e in source.episodes] == [
            ("stack", number, HORIZON + 1, ("Stack.",)) for number in range(3)
        ]
        assert shown(source) == expected(3)
        assert source.bad == ()


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_datasets(tmp_path, form):
    FORMS[form](tmp_path / "wipe_it", table())
    assert detect_format(tmp_path / "wipe_it") == "pairs"
    source = open_source(tmp_path / "wipe_it", SourceOptions(horizon=HORIZON))
    assert [(e.task, e.number, e.seen) for e in source.episodes] == [
        ("wipe_it", number, (prompt,)) for number, prompt in enumerate(PROMPTS)
    ]
    assert shown(source) == expected(4)
    assert len({each.frames.checksum() for each in source.episodes}) == 4


def test_our_own_datasets_can_be_read_as_pairs(tmp_path):
    write_folder(tmp_path / "pairs", count=4)
    given = ("--instruction", "Stack.", "--test-fraction", "0.25", "--embed")
    assert build(tmp_path / "pairs", tmp_path / "one", *given, horizon=HORIZON) == 0
    for path in (tmp_path / "one", tmp_path / "one" / "parquet"):
        source = open_source(path, SourceOptions(horizon=HORIZON), "pairs")
        assert {(each.task, each.group) for each in source.episodes} == {("stack", f"episode {n}") for n in range(4)}


def test_a_dataset_of_pairs_is_split_by_pair(tmp_path):
    write_folder(tmp_path / "pairs", count=8)
    given = ("--instruction", "Stack.", "--test-fraction", "0.25", "--fps", "10")
    assert build(tmp_path / "pairs", tmp_path / "d", *given, horizon=HORIZON) == 0
    manifest = load_manifest(tmp_path / "d")
    assert (manifest.horizon, manifest.step_duration) == (HORIZON, pytest.approx(0.1))
    rows = {split: load_split(tmp_path / "d", split) for split in ("train", "test")}
    assert {split: len(of_split) for split, of_split in rows.items()} == {"train": 6, "test": 2}
    for row in rows["train"] + rows["test"]:
        assert identify(rgb(row.input_image)) == (row.episode, row.episode)
        assert identify(rgb(row.edited_image)) == (row.episode, row.episode + 30)


@pytest.mark.parametrize(
    ("columns", "option", "groups"),
    [
        ({"group": [1, 1, 2, 2]}, [], [{0, 1}, {2, 3}]),
        ({"video": ["a", "b", "a", "b"], "group": [1, 1, 2, 2]}, ["--group-column", "video"], [{0, 2}, {1, 3}]),
    ],
)
def test_a_group_stays_in_one_split(tmp_path, columns, option, groups):
    write_shards(tmp_path / "pairs", table(**columns))
    for seed in range(4):
        given = (*option, "--test-fraction", "0.5", "--seed", str(seed))
        assert build(tmp_path / "pairs", tmp_path / str(seed), *given, horizon=HORIZON) == 0
        splits = {record.number: record.split for record in load_manifest(tmp_path / str(seed)).episodes}
        assert sorted({splits[number] for number in group} == {"test"} for group in groups) == [False, True]
        assert all(len({splits[number] for number in group}) == 1 for group in groups)


def test_tasks_of_rows(tmp_path):
    write_shards(tmp_path / "pairs", table(task=["stack", "pour", "wipe", "no name"]))
    source = open_source(tmp_path / "pairs", SourceOptions(task_instructions=(("pour", "Pour it."),)))
    assert [(each.task, each.number, each.seen[0]) for each in source.episodes] == [
        ("pour", 1, "Pour it."),
        ("stack", 0, "Stack."),
        ("wipe", 2, "Wipe."),
    ]
    assert "cannot be a task's name" in source.bad[0].reason


def test_unusable_pairs_are_named(tmp_path):
    write_folder(tmp_path, count=4)
    folder = tmp_path / "stack"
    (folder / "target" / "001.png").unlink()
    Pillow.fromarray(picture(2, 2)).save(folder / "input" / "2.png")
    source = open_source(tmp_path, SourceOptions(instruction="Stack."))
    assert [each.number for each in source.episodes] == [0, 3]
    assert [str(each) for each in source.bad] == [
        f"{folder / 'target'}: pair 1 has no picture",
        f"{folder / 'input'}: pair 2 has 002.png and 2.png",
    ]
    assert "give one with --instruction" in open_source(tmp_path).bad[0].reason
    (folder / "input" / "000.png").write_bytes(b"no picture")
    with pytest.raises(EpisodeError, match=r"input/000\.png: its input picture: no JPEG or PNG picture"):
        source.episodes[0].frames[0]


def test_pairs_have_no_frames_between(tmp_path, capsys):
    write_folder(tmp_path / "pairs")
    assert build(tmp_path / "pairs", tmp_path / "d", "--instruction", "Stack.", "--tail", "clamp", horizon=3) == 1
    assert "a ready pair has no frame 1, only 0 and 3; leave --tail at drop" in capsys.readouterr().err


def test_unusable_tables_are_named(tmp_path):
    write_shards(tmp_path / "pairs", table())
    with pytest.raises(EpisodeError, match="no column 'video'; it has edit_prompt"):
        raise open_source(tmp_path / "pairs", SourceOptions(group_column="video")).bad[0]
    table().remove_columns("edited_image").to_parquet(tmp_path / "other.parquet")
    with pytest.raises(EpisodeError, match="no episodes of a known format"):
        open_source(tmp_path / "other.parquet")
    with pytest.raises(EpisodeError, match="no episodes; expected"):
        open_source(tmp_path / "other.parquet", format_name="pairs")


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "", 3, None])
def test_pictures_outside_of_the_folder_are_refused(tmp_path, name):
    rows = [{"input_image_file_name": name, "edited_image_file_name": "a.png", "edit_prompt": "Stack."}]
    Dataset.from_list(rows).to_json(tmp_path / "metadata.jsonl")
    with pytest.raises(EpisodeError, match="is not a picture in this folder"):
        open_source(tmp_path)


def test_a_damaged_shard_beside_good_ones_is_named(tmp_path):
    write_shards(tmp_path / "pairs", table())
    file = tmp_path / "pairs" / "data" / "train-00000-of-00002.parquet"
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(EpisodeError, match=r"train-00000-of-00002\.parquet: no table, or a damaged one"):
        open_source(tmp_path / "pairs")


def test_damaged_tables_are_named(tmp_path):
    table().save_to_disk(tmp_path / "arrow")
    (file,) = (tmp_path / "arrow").glob("*.arrow")
    data = bytearray(file.read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(30):
        damaged = data.copy()
        for position in rng.integers(0, len(data), 20):
            damaged[position] = rng.integers(256)
        file.write_bytes(damaged[: rng.integers(len(data) // 2, len(data))] if rng.random() < 0.5 else damaged)
        try:
            for each in open_source(tmp_path / "arrow", format_name="pairs").episodes:
                list(each.read([0, len(each) - 1]))
        except EpisodeError as error:
            assert error.path.is_relative_to(tmp_path)
