"""Recording Meta-World: the command line, and what is said where something does not fit or is missing."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from training.metaworld.instructions import DEFAULT_TASKS
from training.record_metaworld import _arguments, main

ROOT = Path(__file__).parents[2]


def installed() -> bool:
    try:
        return bool(importlib.metadata.version("metaworld"))
    except importlib.metadata.PackageNotFoundError:
        return False


def test_ten_tasks_from_seed_zero_unless_something_else_is_said():
    arguments = _arguments(["--out", "x"])
    assert arguments.tasks == list(DEFAULT_TASKS) and arguments.first_seed == 0
    assert _arguments(["--out", "x", "--tasks", "faucet-open", "reach"]).tasks == ["faucet-open", "reach"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--tasks", "fly"], "invalid choice: 'fly'"),
        (["--camera", "eye"], "invalid choice: 'eye'"),
        (["--episodes", "0"], "--episodes must be at least 1, not 0"),
        (["--workers", "-1"], "--workers must be at least 1, not -1"),
        (["--first-seed", "-1"], "--first-seed must be at least 0, not -1"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, reason, capsys):
    with pytest.raises(SystemExit):
        _arguments(["--out", "x", *options])
    assert reason in capsys.readouterr().err


@pytest.mark.skipif(installed(), reason="metaworld is installed here, so nothing is missing")
def test_where_metaworld_is_missing_one_line_says_how_to_install_it(tmp_path, capsys):
    assert main(["--out", str(tmp_path / "episodes")]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("record_metaworld:")]
    assert len(said) == 1 and "pip install -e '.[metaworld]'" in said[0]
    assert not (tmp_path / "episodes").exists()


def test_the_extra_of_the_message_is_one_of_the_package():
    assert '"metaworld": ["metaworld' in (ROOT / "setup.py").read_text()


def test_help_needs_neither_metaworld_nor_mujoco():
    code = (
        "import sys; sys.modules.update(metaworld=None, mujoco=None); from training.record_metaworld import main;"
        "main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "--camera" in done.stdout, done.stderr
