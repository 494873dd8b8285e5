"""A day with a GPU: parts that fail or take too long cost nothing but themselves. Parts are real processes."""

import json
import sys

import pytest

from benchmarks.gpu import SECONDS, Part, choose_device, main, run

FACTS = {"device": "cpu", "small": True}
JOURNAL = """
import sys, time
from pathlib import Path
from benchmarks.gpu_journal import Journal
journal = Journal(Path(sys.argv[1]), float(sys.argv[2]))
journal.describe({"hardware": {"accelerator": "a GPU"}, "versions": {"torch": "3"}})
"""


def part(name, code, seconds=60.0):
    return Part(name, seconds, [sys.executable, "-c", JOURNAL + code, "{result}", "{seconds}"])


def run_parts(folder, *parts):
    """The exit status, and what is in the JSON."""
    status = run(parts, folder, FACTS)
    return status, json.loads((folder / "gpu.json").read_text())


def test_a_part_that_fails_costs_nothing_but_itself(tmp_path, capsys):
    status, content = run_parts(
        tmp_path,
        part("first", "journal.put('speed', 12.5, 'a second', 'floor 20', kernel='a')\nraise OSError('no | disk')"),
        part("second", "journal.put('memory', 3, 'GiB')"),
    )
    first, second = content["parts"].values()
    assert status == 1
    assert (first["status"], first["error"]) == ("failed", "OSError: no | disk")
    assert first["rows"] == [
        {"name": "speed", "value": 12.5, "unit": "a second", "beside": "floor 20", "details": {"kernel": "a"}}
    ]
    assert (second["status"], second["error"], len(second["rows"])) == ("done", None, 1)
    assert content["environment"]["hardware"]["accelerator"] == "a GPU"
    assert {"commit", "device", "small"} <= content.keys()
    printed = capsys.readouterr().out
    assert printed.strip() == (tmp_path / "gpu.md").read_text().strip()
    table = [line.split("|")[1:-1] for line in printed.splitlines() if line.startswith("|")]
    assert {len(row) for row in table} == {4} and len(table) == 6
    assert "OSError: no / disk" in printed and "12.5 a second" in printed and "# a GPU" in printed
    assert "OSError" in (tmp_path / "first.log").read_text()


def test_a_part_that_takes_too_long_is_ended_and_what_it_measured_is_kept(tmp_path):
    endless = "journal.put('quick', 1)\ntime.sleep(600)"
    status, content = run_parts(tmp_path, part("endless", endless, 5.0), part("next", "journal.put('left', 1)"))
    ended, following = content["parts"].values()
    assert (status, ended["status"], following["status"]) == (1, "out of time", "done")
    assert following["rows"]
    assert ended["limit"] <= ended["seconds"] < 60


def test_seconds_that_are_left_over_are_the_next_parts(tmp_path):
    status, content = run_parts(tmp_path, part("first", ""), part("second", "journal.put('left', journal.left)", 5.0))
    assert status == 0
    assert 5 < content["parts"]["second"]["limit"] < 65
    assert content["parts"]["second"]["rows"][0]["value"] < content["parts"]["second"]["limit"]


def test_a_measurement_that_fails_is_named_and_the_others_go_on(tmp_path):
    code = "with journal.attempt('one'):\n    raise ValueError('odd\\nvalue')\n"
    code += "with journal.attempt('two'):\n    journal.put('two', 2)\nsys.exit(bool(journal.failures))"
    status, content = run_parts(tmp_path, part("both", code))
    outcome = content["parts"]["both"]
    assert (status, outcome["status"], outcome["error"]) == (1, "failed", "one: ValueError: odd")
    assert [row["name"] for row in outcome["rows"]] == ["two"]


def test_a_part_that_cannot_start_is_reported(tmp_path):
    status, content = run_parts(tmp_path, Part("broken", 60.0, [sys.executable, "-m", "benchmarks.nothing"]))
    assert status == 1 and "benchmarks.nothing" in content["parts"]["broken"]["error"]


def test_the_parts_fit_into_nine_minutes():
    assert sum(SECONDS.values()) < 9 * 60


def test_a_cpu_is_for_rehearsals_only(tmp_path, capsys):
    assert choose_device("cpu", small=True) == "cpu"
    with pytest.raises(ValueError, match="--small"):
        choose_device("cpu", small=False)
    assert main(["--device", "cpu", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_compositing_is_rehearsed_by_the_command(tmp_path):
    arguments = ["--small", "--device", "cpu", "--minutes", "60", "--parts", "compositing", "--out", str(tmp_path)]
    assert main(arguments) == 0
    content = json.loads((tmp_path / "gpu.json").read_text())
    rows = {row["name"]: row for row in content["parts"]["compositing"]["rows"]}
    assert rows["64x48, frames apart"]["value"] <= 1
    assert rows["128x96, a frame"]["value"] > 0 and "OpenCV" in rows["128x96, a frame"]["beside"]
    assert content["environment"]["versions"]["torch"]
