"""The simulator's command line: what goes together, and what is said where it does not."""

import pytest

from training.simulate import _arguments


def test_randomize_is_another_name_for_the_random_look():
    assert _arguments(["--out", "x", "--randomize"]) == _arguments(["--out", "x", "--look", "random"])
    assert _arguments(["--out", "x"]).look == "plain"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--randomize", "--look", "plain"], "not allowed with"),
        (["--look", "shiny"], "invalid choice: 'shiny'"),
        (["--tasks", "block_handover", "--held-out"], "--held-out goes with table_scenes alone"),
        (
            ["--tasks", "table_scenes", "--remove-block-at", "0.5"],
            "--remove-block-at is for the tasks",
        ),
        (["--remove-block-at", "2"], "between 0 and 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, reason, capsys):
    with pytest.raises(SystemExit):
        _arguments(["--out", "x", *options])
    assert reason in capsys.readouterr().err
