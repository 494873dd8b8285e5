"""Simulated episodes and scenes: RoboTwin 1.0's layout, the same after an interruption as without one."""

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

COMMAND = [
    sys.executable,
    "-m",
    "training.simulate",
    "--tasks",
    "block_hammer_beat",
    "--episodes",
    "2",
    "--workers",
    "2",
]
ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.slow


def content(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def simulate(out: Path, *options: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*COMMAND, "--out", str(out), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_heed_ctrl_c,
    )


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job, which the tests may be, ignores it


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def wait_for_frames(folder: Path, pattern: str = "seed*.partial/1*.pkl") -> None:
    wait_until(lambda: list(folder.glob(pattern)), 120)


@pytest.fixture(scope="module")
def episodes(opengl, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("episodes")
    process = simulate(out)
    output, _ = process.communicate(timeout=250)
    assert process.returncode == 0, output.decode()
    return out


def test_layout_is_robotwins(episodes):
    folder = episodes / "block_hammer_beat_D435_pkl"
    info = json.loads((folder / "scene_info.json").read_text())
    assert set(info) == {"0", "1"} and info["0"]["seed"] < info["1"]["seed"]
    frames = sorted(int(p.stem) for p in (folder / "episode0").glob("*.pkl"))
    assert frames == list(range(info["0"]["frames"]))
    frame = pickle.loads((folder / "episode0" / "0.pkl").read_bytes())
    camera = frame["observation"]["head_camera"]
    assert camera["rgb"].shape == (240, 320, 3) and camera["rgb"].dtype == np.uint8
    assert frame["joint_action"].shape == frame["endpose"].shape == (14,)
    instructions = json.loads((episodes / "instructions" / "block_hammer_beat.json").read_text())["instructions"]
    assert instructions and all(isinstance(text, str) for text in instructions)


def test_killed_and_resumed_equals_uninterrupted(episodes, tmp_path):
    process = simulate(tmp_path)
    folder = tmp_path / "block_hammer_beat_D435_pkl"
    wait_for_frames(folder)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(folder.glob("episode*")), "nothing half-made may look finished"
    process = simulate(tmp_path)
    output, _ = process.communicate(timeout=250)
    assert process.returncode == 0, output.decode()
    assert content(tmp_path) == content(episodes)


def children(process: subprocess.Popen) -> list[Path]:
    """The folders in /proc of a process's children."""
    pids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [Path("/proc") / pid for pid in pids]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_the_command(opengl, tmp_path, how):
    process = simulate(tmp_path)
    wait_for_frames(tmp_path / "block_hammer_beat_D435_pkl")
    workers = children(process)
    assert len(workers) >= 2
    process.send_signal(how)
    output, _ = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130 and "run again to continue" in output.decode()
    wait_until(lambda: not any(worker.exists() for worker in workers), 60)
    assert not any(worker.exists() for worker in workers)
    assert "Traceback" not in output.decode()


def test_other_options_are_refused(episodes):
    refused = subprocess.run([*COMMAND, "--out", str(episodes), "--first-seed", "7"], cwd=ROOT, capture_output=True)
    assert refused.returncode == 1
    assert b"first_seed" in refused.stderr and b"Traceback" not in refused.stderr


SCENES = ("--tasks", "table_scenes", "--first-seed", "6")


def finish(out: Path, *options: str) -> str:
    process = simulate(out, *options)
    output, _ = process.communicate(timeout=250)
    assert process.returncode == 0, output.decode()
    return output.decode()


def test_scenes_in_pieces_equal_scenes_at_once(opengl, tmp_path):
    report = finish(tmp_path / "at_once", *SCENES)
    assert "instruction" in report and "beat" in report
    finish(tmp_path / "pieces", *SCENES, "--episodes", "1")
    process = simulate(tmp_path / "pieces", *SCENES)
    folder = tmp_path / "pieces" / "table_scenes_D435_pkl"
    wait_for_frames(folder, "seed*.partial/1/1*.pkl")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finish(tmp_path / "pieces", *SCENES)
    assert content(tmp_path / "pieces") == content(tmp_path / "at_once")
    rates = json.loads((folder / "success.json").read_text())
    info = json.loads((folder / "scene_info.json").read_text())
    assert sum(rate["episodes"] for rate in rates.values()) == len(info) == len(list(folder.glob("episode*")))
    assert {record["scene"]["number"] for record in info.values()} == {6, 7}
