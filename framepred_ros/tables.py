"""Tables for the terminal, for a pipe and for a file."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

UNLIMITED = 10_000  # columns


def print_tables(*tables: Table, console: Console | None = None) -> None:
    """Prints tables as wide as they need to be.

    Rich would cut figures at the terminal's width, which is 80 columns where there is no terminal ("30.86 ± 0.…").

    Args:
        console: where to print; by default standard output.
    """
    console = console or Console()
    width = console.width
    for table in tables:
        try:
            console.width = max(width, needed_width(table, console))
            console.print(table)
        finally:
            console.width = width


def needed_width(table: Table, console: Console) -> int:
    """Columns that a table takes if nothing in it is wrapped or cut."""
    return Measurement.get(console, console.options.update(max_width=UNLIMITED), table).maximum
