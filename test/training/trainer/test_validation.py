"""Replacing one checkpoint folder by another, whatever happens in between."""

import pytest

from training.trainer.validation import finish_replacement, replace_folder


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


def test_killed_before_the_old_folder_was_gone_the_new_one_stays(tmp_path, target):
    make_folder(tmp_path / ".checkpoint.1.old", "older")
    other = make_folder(tmp_path / ".checkpoint-best.1.tmp", "another folder's")
    finish_replacement(target)
    assert (target / "file").read_text() == "old" and sorted(tmp_path.iterdir()) == [other, target]
