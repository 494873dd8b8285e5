"""How often the robot does what it is told, per verb. Every try counts, also in scenes that failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.table import Table

from training.simulation.scene_writer import SceneSummary
from training.simulation.table.words import VERBS


def success_rates(summaries: Iterable[SceneSummary]) -> dict[str, dict[str, int]]:
    """Per verb `{"tried", "succeeded", "episodes"}`.

    A try succeeds when its check says so (`checks.py`); it becomes an episode if its scene has enough twins and its
    future differs from theirs.
    """
    tried, succeeded, episodes = Counter(), Counter(), Counter()
    for summary in summaries:
        for verb, success in summary.tries:
            tried[verb] += 1
            succeeded[verb] += success
        episodes.update(verb for verb, _ in summary.episodes)
    return {v: {"tried": tried[v], "succeeded": succeeded[v], "episodes": episodes[v]} for v in VERBS if tried[v]}


def success_table(rates: dict[str, dict[str, int]]) -> Table:
    """`success_rates` for the terminal, with a line for all verbs together."""
    total = {key: sum(rate[key] for rate in rates.values()) for key in ("tried", "succeeded", "episodes")}
    table = Table("instruction", "tried", "succeeded", "rate", "episodes")
    for verb, rate in {**rates, "all": total}.items():
        share = f"{rate['succeeded'] / max(1, rate['tried']):.1%}"
        table.add_row(verb, str(rate["tried"]), str(rate["succeeded"]), share, str(rate["episodes"]))
    return table
