import io
import json

import cv2
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tqdm import tqdm

from training.trainer.run_log import DivergedError, RunLog, plot, read_log, running_average


@pytest.fixture
def bar():
    with tqdm(total=10, file=io.StringIO()) as bar:
        yield bar


def values(step, loss=0.5, norm=1.0):
    return {"step": step, "loss": torch.tensor(loss), "learning_rate": 1e-3, "gradient_norm": torch.tensor(norm)}


def test_every_step_is_a_line_and_a_point_on_the_board(tmp_path, bar):
    log = RunLog(tmp_path, 0)
    for step in (1, 2, 3):
        log.add(values(step, loss=step / 4))
    log.flush(bar)
    log.close()
    assert [(line["step"], line["loss"]) for line in read_log(log.path)] == [(1, 0.25), (2, 0.5), (3, 0.75)]
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in board.Scalars("loss")] == [(1, 0.25), (2, 0.5), (3, 0.75)]


def test_a_resumed_log_never_tells_a_step_twice(tmp_path, bar):
    first = RunLog(tmp_path, 0)
    for step in (1, 2, 3):
        first.add(values(step))
    first.flush(bar)
    resumed = RunLog(tmp_path, 2)
    resumed.add(values(3, loss=9.0))
    resumed.flush(bar)
    assert [(line["step"], line["loss"]) for line in read_log(resumed.path)] == [(1, 0.5), (2, 0.5), (3, 9.0)]


@pytest.mark.parametrize("loss, norm", [(float("nan"), 1.0), (0.5, float("inf"))])
def test_divergence_ends_the_run_and_is_told_from_which_step_on(tmp_path, bar, loss, norm):
    log = RunLog(tmp_path, 0)
    for line in (values(1), values(2, loss, norm), values(3)):
        log.add(line)
    with pytest.raises(DivergedError, match="at step 2: the run has diverged. The states saved before are good"):
        log.flush(bar)
    assert [line["step"] for line in read_log(log.path)] == [1]


def test_a_gradient_scaler_copes_with_infinite_gradients(tmp_path, bar):
    log = RunLog(tmp_path, 0, scaled=True)
    log.add(values(1, 0.5, float("inf")))
    log.flush(bar)
    assert read_log(log.path)[0]["gradient_norm"] is None


def test_running_average_is_over_the_fifty_steps_before():
    losses = np.random.default_rng(0).random(120)
    average = running_average(losses)
    assert average[0] == losses[0] and average[9] == pytest.approx(losses[:10].mean())
    assert average[99] == pytest.approx(losses[50:100].mean())


def test_the_picture_shows_both_curves(tmp_path):
    lines = [{"step": step, "loss": 1 / step} for step in range(1, 101)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    plot(tmp_path / "log.jsonl")
    picture = cv2.imread(str(tmp_path / "loss.png")).reshape(-1, 3).astype(int)
    purple = (np.abs(picture - [189, 103, 148]) < 12).all(axis=1)  # matplotlib's tab:purple, in BGR
    assert purple.sum() > 300


def test_log_survives_a_line_cut_short(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"step": 2}) + '\n{"step": 4, "lo')
    assert read_log(path) == [{"step": 2}]
