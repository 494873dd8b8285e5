"""Building from several sources, and from sources with unreadable episodes."""

import json
import shutil
from collections import Counter

import pytest
from dataset_files import HORIZON, build, contents, rgb
from episode_files.robotwin_hdf5 import write_robotwin2
from robotwin_files import dumps, frame_content, identify, picture, write_episode, write_instructions, write_task

from training.dataset.index import BadEpisode, load_manifest, load_split

HAMMER, STACK = "block_hammer_beat", "blocks_stack_easy"


def words(capsys):
    captured = capsys.readouterr()
    return " ".join(captured.out.split()), captured.err.strip()


def all_rows(dataset):
    return [row for split in load_manifest(dataset).splits for row in load_split(dataset, split)]


@pytest.fixture(scope="module")
def two_sources(tmp_path_factory):
    root = tmp_path_factory.mktemp("sources")
    write_task(root / "first", HAMMER, [25, 26])
    write_task(root / "second", HAMMER, [27, 28, 29], seen=["Hit it."])
    write_task(root / "second", STACK, [24, 25])
    return [root / "first", root / "second"]


def test_a_task_in_two_sources_is_numbered_apart(two_sources, tmp_path):
    assert build(two_sources, tmp_path / "d") == 0
    manifest = load_manifest(tmp_path / "d")
    assert [(e.task, e.number, e.source, e.number_in_source, e.frames) for e in manifest.episodes] == [
        (HAMMER, 0, 0, 0, 25),
        (HAMMER, 1, 0, 1, 26),
        (HAMMER, 1_000_000, 1, 0, 27),
        (HAMMER, 1_000_001, 1, 1, 28),
        (HAMMER, 1_000_002, 1, 2, 29),
        (STACK, 0, 1, 0, 24),
        (STACK, 1, 1, 1, 25),
    ]
    assert [source["name"] for source in manifest.source] == ["first", "second"]
    for row in all_rows(tmp_path / "d"):
        assert identify(rgb(row.edited_image)) == (row.episode % 1_000_000, row.frame + HORIZON)
        assert row.task == STACK or (row.prompt == "Hit it.") == (row.episode >= 1_000_000 and row.phrasing == "seen")


def test_a_source_added_later_gives_the_same_as_all_at_once(two_sources, tmp_path, capsys):
    assert build(two_sources[:1], tmp_path / "d") == 0
    assert build(two_sources, tmp_path / "d") == 0
    assert "5 episodes converted, 0 resumed, 2 kept" in words(capsys)[0]
    assert build(two_sources, tmp_path / "at once") == 0
    assert contents(tmp_path / "d") == contents(tmp_path / "at once")
    assert build(two_sources[:1], tmp_path / "d") == 1
    assert "source format" in words(capsys)[1]


def test_a_source_for_training_only_leaves_the_test_split_as_it_was(two_sources, tmp_path, capsys):
    assert build(two_sources[:1], tmp_path / "d") == 0
    tested = [row.input_image.name for row in load_split(tmp_path / "d", "test")]
    assert tested
    assert build(two_sources, tmp_path / "d", "--train-only", str(two_sources[1])) == 0
    assert [row.input_image.name for row in load_split(tmp_path / "d", "test")] == tested
    manifest = load_manifest(tmp_path / "d")
    assert [source.get("split") for source in manifest.source] == [None, "train"]
    assert {episode.split for episode in manifest.episodes if episode.source == 1} == {"train"}
    card = (tmp_path / "d" / "README.md").read_text()
    assert "| training only |" in card
    assert "--train-only second" in card
    assert build(two_sources, tmp_path / "d") == 1
    assert "source split is [None, 'train'] there" in words(capsys)[1]


def test_a_source_for_training_only_must_be_a_source(two_sources, tmp_path, capsys):
    assert build(two_sources[:1], tmp_path / "d", "--train-only", str(two_sources[1])) == 1
    assert f"--train-only {two_sources[1]}: is none of the sources" in words(capsys)[1]
    assert not (tmp_path / "d").exists()


def test_a_moved_source_is_recognised(two_sources, tmp_path, capsys):
    shutil.copytree(two_sources[0], tmp_path / "a" / "episodes")
    assert build(tmp_path / "a" / "episodes", tmp_path / "d") == 0
    (tmp_path / "a").rename(tmp_path / "b")
    assert build(tmp_path / "b" / "episodes", tmp_path / "d") == 0
    assert "is complete" in words(capsys)[0]


@pytest.fixture
def bad_source(tmp_path):
    """Task HAMMER: episode 1 has a gap, which listing sees; episode 3 a frame that turns out bad on reading."""
    root = tmp_path / "episodes"
    write_task(root, HAMMER, [25] * 5)
    folder = root / f"{HAMMER}_D435_pkl"
    (folder / "episode1" / "7.pkl").unlink()
    (folder / "episode3" / "21.pkl").write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")
    return root


def test_the_first_bad_episode_stops_the_build(bad_source, tmp_path, capsys):
    assert build(bad_source, tmp_path / "d") == 1
    error = words(capsys)[1]
    assert "gap in the frame numbers" in error
    assert len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["episodes"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_bad_episodes_are_left_out_and_listed(bad_source, tmp_path, capsys, workers):
    assert build(bad_source, tmp_path / "d", "--skip-bad", "--workers", workers) == 0
    printed = words(capsys)[0]
    assert "2 unreadable episodes left out" in printed
    manifest = load_manifest(tmp_path / "d")
    assert [episode.number for episode in manifest.episodes] == [0, 2, 4]
    folder = f"{HAMMER}_D435_pkl"
    assert [bad.file for bad in manifest.bad] == [f"{folder}/episode1", f"{folder}/episode3/21.pkl"]
    assert all(isinstance(bad, BadEpisode) and bad.source == 0 for bad in manifest.bad)
    assert "os.system" in manifest.bad[1].reason
    assert "2 unreadable" in (tmp_path / "d" / "README.md").read_text()
    assert Counter(row.episode for row in all_rows(tmp_path / "d")) == {0: 5, 2: 5, 4: 5}
    assert build(bad_source, tmp_path / "d", "--skip-bad") == 0
    assert "is complete" in words(capsys)[0]


def test_a_mended_episode_is_added(bad_source, tmp_path):
    assert build(bad_source, tmp_path / "d", "--skip-bad") == 0
    folder = bad_source / f"{HAMMER}_D435_pkl"
    (folder / "episode1" / "7.pkl").write_bytes(dumps(frame_content(picture(1, 7))))
    (folder / "episode3" / "21.pkl").write_bytes(dumps(frame_content(picture(3, 21))))
    assert build(bad_source, tmp_path / "d") == 0
    assert build(bad_source, tmp_path / "anew") == 0
    mended, anew = load_manifest(tmp_path / "d"), load_manifest(tmp_path / "anew")
    assert mended.bad == ()
    assert [(e.number, e.checksum, e.pairs) for e in mended.episodes] == [
        (e.number, e.checksum, e.pairs) for e in anew.episodes
    ]


def test_an_episode_of_the_dataset_that_went_bad_is_not_dropped(tmp_path, capsys):
    write_task(tmp_path / "episodes", HAMMER, [25] * 3)
    assert build(tmp_path / "episodes", tmp_path / "d") == 0
    before = contents(tmp_path / "d")
    (tmp_path / "episodes" / f"{HAMMER}_D435_pkl" / "episode1" / "3.pkl").write_bytes(b"")
    assert build(tmp_path / "episodes", tmp_path / "d", "--skip-bad") == 1
    assert "3.pkl" in words(capsys)[1]
    assert contents(tmp_path / "d") == before


def test_bad_episodes_and_drawn_pairs(bad_source, tmp_path):
    """The limits of a draw depend on the episodes there are: those left out must not count."""
    for frame in (bad_source / f"{HAMMER}_D435_pkl" / "episode3").glob("*.pkl"):
        frame.write_bytes(b"")
    options = ("--skip-bad", "--max-pairs", "8", "--split-by", "pair", "--test-fraction", "0.25")
    assert build(bad_source, tmp_path / "d", *options) == 0
    for number in (1, 3):
        shutil.rmtree(bad_source / f"{HAMMER}_D435_pkl" / f"episode{number}")
    assert build(bad_source, tmp_path / "without", *options) == 0
    assert [load_manifest(tmp_path / "d").splits[split]["pairs"] for split in ("train", "test")] == [6, 2]
    for split in ("train", "test"):
        metadata = [(tmp_path / name / split / "metadata.jsonl").read_text() for name in ("d", "without")]
        assert metadata[0] == metadata[1]


def test_nothing_readable(tmp_path, capsys):
    write_task(tmp_path / "episodes", HAMMER, [25])
    (tmp_path / "episodes" / f"{HAMMER}_D435_pkl" / "episode0" / "3.pkl").write_bytes(b"")
    assert build(tmp_path / "episodes", tmp_path / "d", "--skip-bad") == 1
    assert "no episode could be read" in words(capsys)[1]
    assert not (tmp_path / "d").exists()


def test_nothing_listed(tmp_path, capsys):
    write_task(tmp_path / "episodes", HAMMER, [25])
    (tmp_path / "episodes" / f"{HAMMER}_D435_pkl" / "episode0" / "3.pkl").unlink()
    assert build(tmp_path / "episodes", tmp_path / "d", "--skip-bad") == 1
    assert "no episode could be read" in words(capsys)[1]


def test_the_format_can_be_forced_and_a_wrong_path_is_named(two_sources, tmp_path, capsys):
    assert build(two_sources[0], tmp_path / "d", "--format", "robotwin1", "--camera", "left_camera") == 0
    assert load_manifest(tmp_path / "d").source[0]["camera"] == "left_camera"
    assert rgb(all_rows(tmp_path / "d")[0].input_image).max() < 8
    capsys.readouterr()
    assert build([two_sources[0], tmp_path / "nowhere"], tmp_path / "e") == 1
    assert words(capsys)[1].startswith(f"build_dataset: {tmp_path / 'nowhere'}: ")


def test_balanced_tasks_keep_their_frames_when_the_smaller_task_grows(tmp_path):
    """More episodes of the smaller task raise the number drawn of the larger one, beyond the frames published."""
    root = tmp_path / "episodes"
    write_task(root, HAMMER, [22, 22])
    write_task(root, STACK, [40, 40, 40])
    assert build(root, tmp_path / "d", "--balance-tasks", "--test-fraction", "0") == 0
    assert {c["pairs"] for c in load_manifest(tmp_path / "d").splits["train"]["tasks"].values()} == {4}
    write_episode(root, HAMMER, 2, 40)
    write_instructions(root, HAMMER, ["Do it."])
    assert build(root, tmp_path / "d", "--balance-tasks", "--test-fraction", "0") == 0
    assert build(root, tmp_path / "anew", "--balance-tasks", "--test-fraction", "0") == 0
    assert contents(tmp_path / "d") == contents(tmp_path / "anew")
    lines = (tmp_path / "d" / "train" / "metadata.jsonl").read_text().splitlines()
    assert Counter(json.loads(line)["task"] for line in lines) == {HAMMER: 24, STACK: 24}


def test_the_order_of_channels_and_instructions_of_tasks(tmp_path, capsys):
    frames = [picture(1, frame) for frame in range(HORIZON + 3)]
    write_robotwin2(tmp_path / "source", HAMMER, 0, {"head_camera": frames}, instructions={})
    given = ("--channel-order", "rgb", "--test-fraction", "0")
    assert build(tmp_path / "source", tmp_path / "d", *given) == 1
    assert "no instructions" in words(capsys)[1]
    assert build(tmp_path / "source", tmp_path / "d", *given, "--instruction", f"{HAMMER}=Hit it, 1=2.") == 0
    assert {row.prompt for row in all_rows(tmp_path / "d")} == {"Hit it, 1=2."}
    for row in all_rows(tmp_path / "d"):
        assert identify(rgb(row.input_image)[:, :, ::-1]) == (1, row.frame)
    capsys.readouterr()
    assert build(tmp_path / "source", tmp_path / "d", "--test-fraction", "0", "--instruction", "Hit it, 1=2.") == 1
    assert "source channel_order is ['rgb'] there, [None] was asked" in words(capsys)[1]
    assert build(tmp_path / "source", tmp_path / "e", "--instruction", "One.", "--instruction", "Two.") == 1
    assert "--instruction: two for all episodes" in words(capsys)[1]
