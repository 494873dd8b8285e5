"""Files and folders are whole or absent, whatever happens in between."""

import hashlib

import pytest

from framepred_ros.files import (
    file_digest,
    finish_replacement,
    new_folder,
    remove_unfinished,
    replace_folder,
    replacing,
    replacing_folder,
    write_text,
)


def test_a_file_appears_only_when_it_is_finished(tmp_path):
    path = tmp_path / "file.mp4"
    with replacing(path, ending=".mp4") as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".mp4" and not path.exists()
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_file_stays_as_it_was_if_its_successor_fails(tmp_path):
    path = tmp_path / "file"
    write_text(path, "Größe")
    with pytest.raises(OSError, match="disk full"), replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")
    assert path.read_text(encoding="utf-8") == "Größe" and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    write_text(tmp_path / ".hidden", "")
    (tmp_path / ".file.123.tmp").write_text("half")
    remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".hidden"]


def test_a_new_folder_takes_the_place_of_what_was_there(tmp_path):
    folder = make_folder(tmp_path / "episode", "old")
    make_folder(tmp_path / "episode.partial", "left by a killed process")
    with new_folder(folder) as partial:
        assert list(partial.iterdir()) == [] and (folder / "file").read_text() == "old"
        (partial / "other").write_text("new")
    assert [path.name for path in folder.iterdir()] == ["other"] and list(tmp_path.iterdir()) == [folder]


def test_a_folder_stays_as_it_was_if_its_successor_fails(tmp_path):
    folder = make_folder(tmp_path / "episode", "old")
    with pytest.raises(ValueError), new_folder(folder) as partial:
        (partial / "file").write_text("half")
        raise ValueError
    assert (folder / "file").read_text() == "old" and list(tmp_path.iterdir()) == [folder]


def make_folder(path, content):
    path.mkdir()
    (path / "file").write_text(content)
    return path


@pytest.fixture
def target(tmp_path):
    return make_folder(tmp_path / "checkpoint", "old")


def test_a_folder_is_replaced(tmp_path, target):
    replace_folder(make_folder(tmp_path / "new", "new"), target)
    assert (target / "file").read_text() == "new" and list(tmp_path.iterdir()) == [target]


def test_killed_before_the_new_folder_was_in_place_the_old_one_comes_back(tmp_path, target):
    target.rename(tmp_path / ".checkpoint.1.old")
    make_folder(tmp_path / ".checkpoint.1.tmp", "half")
    finish_replacement(target)
    assert (target / "file").read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_a_folder_of_a_longer_name_is_left_alone(tmp_path):
    other = make_folder(tmp_path / ".data.v2.123.old", "another dataset's")
    finish_replacement(tmp_path / "data")
    assert list(tmp_path.iterdir()) == [other]


def test_killed_before_the_old_folder_was_gone_the_new_one_stays(tmp_path, target):
    make_folder(tmp_path / ".checkpoint.1.old", "older")
    other = make_folder(tmp_path / ".checkpoint-best.1.tmp", "another folder's")
    finish_replacement(target)
    assert (target / "file").read_text() == "old" and sorted(tmp_path.iterdir()) == [other, target]


def test_a_folder_that_is_made_anew_appears_whole_or_stays_as_it_was(tmp_path, target):
    with pytest.raises(ZeroDivisionError), replacing_folder(target) as temporary:
        make_folder(temporary, "half")
        raise ZeroDivisionError
    assert (target / "file").read_text() == "old" and list(tmp_path.iterdir()) == [target]
    with replacing_folder(target) as temporary:
        make_folder(temporary, "new")
    assert (target / "file").read_text() == "new" and list(tmp_path.iterdir()) == [target]


def test_a_files_digest_is_that_of_its_content(tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(256)) * 5000)  # more than a piece
    assert file_digest(tmp_path / "file") == hashlib.sha256(bytes(range(256)) * 5000).hexdigest()
