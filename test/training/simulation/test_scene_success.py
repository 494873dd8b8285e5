"""Success rates count every try, also those of scenes that came to nothing."""

from training.simulation.scene_success import success_rates, success_table
from training.simulation.scene_writer import SceneSummary


def test_rates_count_failed_scenes_too():
    made = SceneSummary(0, (("lift", 80), ("push", 90)), (("push", False), ("lift", True), ("push", True)))
    failed = SceneSummary(1, (), (("push", False), ("push", True)))
    rates = success_rates([made, failed])
    assert rates["push"] == {"tried": 4, "succeeded": 2, "episodes": 1}
    assert rates["lift"] == {"tried": 1, "succeeded": 1, "episodes": 1}
    assert set(rates) == {"lift", "push"}
    table = success_table(rates)
    assert list(table.columns[3].cells) == ["100.0%", "50.0%", "60.0%"]  # lift, push and all
