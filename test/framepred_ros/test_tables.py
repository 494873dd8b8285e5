"""No figure of a table is cut, however narrow the place where it is printed."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from framepred_ros.tables import print_tables

FIGURES = [f"{30 + number}.86 ± 0.{number:02d}" for number in range(12)]


def make_table():
    table = Table("predictor", *(f"SSIM of set {number}" for number in range(12)), title="figures")
    table.add_row("a prediction with a long name", *FIGURES)
    return table


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_wide_table_is_printed_whole(is_terminal):
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=is_terminal, color_system=None)
    print_tables(make_table(), make_table(), console=console)
    printed = file.getvalue()
    assert all(printed.count(figure) == 2 for figure in FIGURES) and "…" not in printed
    assert "a prediction with a long name" in printed and console.width == 80


def test_a_table_in_a_pipe_is_printed_whole(capsys):
    print_tables(make_table())
    printed = capsys.readouterr().out
    assert all(figure in printed for figure in FIGURES) and "…" not in printed


def test_figures_are_no_markup():
    table = Table("name", "figure")
    table.add_row("SSIM", "0.9 [0.8, 1.0]")
    file = io.StringIO()
    print_tables(table, console=Console(file=file))
    assert "0.9 [0.8, 1.0]" in file.getvalue()
