"""Evaluation: against predictors whose scores are known beforehand, and by hand."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from robotwin_files import write_task
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from training import build_dataset, evaluate
from training.dataset.index import DatasetError, Row, load_manifest, load_split
from training.dataset.stored_pairs import draw_evenly, read_frame
from training.evaluation.grid import choose_rows, write_grid
from training.evaluation.predictors.checkpoint import CheckpointPredictor
from training.evaluation.scoring.measure import HorizonMismatchError, MeasureOptions, check_horizon, measure, score_rows
from training.evaluation.scoring.scores import PairScore, standard_error, summarize

HORIZON = 20
TASKS = ("block_hammer_beat", "blocks_stack_easy")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluation")
    for task in TASKS:
        write_task(root / "episodes", task, [28, 26, 27, 25])
    arguments = [str(root / "episodes"), "--out", str(root / "dataset"), "--horizon", str(HORIZON)]
    assert build_dataset.main([*arguments, "--test-fraction", "0.5"]) == 0
    return root / "dataset"


@pytest.fixture(scope="module")
def rows(dataset):
    return load_split(dataset, "test")


class KnownPredictor:
    """Answers with what `answer(image, instruction)` says, and notes the sizes of its batches."""

    horizon, step_duration, horizons, history = HORIZON, 0.06, (HORIZON, HORIZON), ()

    def __init__(self, answer, reconstruct=lambda image: image):
        self.answer, self.reconstruct, self.batches = answer, reconstruct, []

    def predict_batch(self, images, instructions, steps=None, seed=None):
        self.batches.append(len(images))
        return [self.answer(image, text) for image, text in zip(images, instructions, strict=True)]


def darker(image, _instruction=None):
    return image // 2


def test_a_copying_predictor_scores_as_the_copy_reference(rows):
    summary = summarize(measure(KnownPredictor(lambda image, _: image), rows, MeasureOptions()).scores)
    for part in (*summary["tasks"].values(), summary["overall"], summary["macro"]):
        assert part["prediction"] == part["copy"]
        assert part["prediction"]["ssim"]["mean"] < 1


def test_a_perfect_predictor_has_perfect_scores(rows):
    truth = {read_frame(row.input_image).tobytes(): read_frame(row.edited_image) for row in rows}
    summary = summarize(measure(KnownPredictor(lambda image, _: truth[image.tobytes()]), rows, MeasureOptions()).scores)
    assert summary["overall"]["prediction"]["ssim"]["mean"] == pytest.approx(1)
    assert summary["overall"]["prediction"]["psnr"]["mean"] == 100
    assert summary["overall"]["copy"]["ssim"]["mean"] < 1


def test_scores_equal_a_loop_of_scikit_image_calls(rows):
    summary = summarize(measure(KnownPredictor(darker, darker), rows, MeasureOptions()).scores)
    for task in TASKS:
        ssims, psnrs, rebuilt = [], [], []
        for row in rows:
            if row.task == task:
                now, truth = (
                    cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
                    for path in (row.input_image, row.edited_image)
                )
                ssims.append(structural_similarity(darker(now), truth, data_range=255, channel_axis=2))
                psnrs.append(peak_signal_noise_ratio(truth, darker(now), data_range=255))
                rebuilt.append(structural_similarity(darker(truth), truth, data_range=255, channel_axis=2))
        part = summary["tasks"][task]
        assert part["pairs"] == len(ssims)
        assert part["prediction"]["ssim"]["mean"] == pytest.approx(np.mean(ssims))
        assert part["prediction"]["psnr"]["mean"] == pytest.approx(np.mean(psnrs))
        assert part["reconstruction"]["ssim"]["mean"] == pytest.approx(np.mean(rebuilt))


def test_batches_change_nothing(rows):
    alone = measure(KnownPredictor(darker), rows, MeasureOptions(batch_size=1)).scores
    predictor, counted = KnownPredictor(darker), []
    batched = score_rows(CheckpointPredictor(predictor), rows, MeasureOptions(batch_size=5), on_scored=counted.append)
    assert batched == [score.values["prediction"] for score in alone]
    assert sum(counted) == len(rows)
    assert max(predictor.batches) == 5


def test_another_resolution(rows):
    shapes = set()

    def note(image, _):
        shapes.add(image.shape)
        return image

    measure(KnownPredictor(note), rows[:3], MeasureOptions(size=(32, 40)))
    assert shapes == {(40, 32, 3)}


def fake_score(task, episode, ssim, psnr=20.0):
    row = Row(Path("now.jpg"), Path("later.jpg"), "Do it.", task, episode, 0, "seen")
    return PairScore(row, {name: {"ssim": ssim, "psnr": psnr} for name in ("prediction", "copy", "reconstruction")})


def test_means_and_errors_by_hand():
    scores = [fake_score("a", 0, 0.2), fake_score("a", 1, 0.4), fake_score("a", 2, 0.9), fake_score("b", 0, 0.7)]
    summary = summarize(scores)
    of_a = summary["tasks"]["a"]["prediction"]["ssim"]
    assert of_a["mean"] == pytest.approx(0.5)
    assert of_a["standard_error"] == pytest.approx(np.std([0.2, 0.4, 0.9], ddof=1) / math.sqrt(3))
    assert summary["tasks"]["b"]["prediction"]["ssim"] == {
        "mean": pytest.approx(0.7),
        "standard_error": None,
        "count": 1,
    }
    assert summary["overall"]["prediction"]["ssim"]["mean"] == pytest.approx(0.55)
    assert summary["macro"]["prediction"]["ssim"]["mean"] == pytest.approx(0.6)
    assert (summary["overall"]["pairs"], summary["overall"]["episodes"]) == (4, 4)


def test_copies_of_a_pair_do_not_shrink_the_error():
    rng = np.random.default_rng(0)
    values, episodes = rng.normal(size=10), np.arange(10)
    once = standard_error(values, episodes)
    assert once == pytest.approx(values.std(ddof=1) / math.sqrt(10))
    assert standard_error(np.repeat(values, 30), np.repeat(episodes, 30)) == pytest.approx(once)


def test_that_tasks_differ_is_no_error_of_the_mean_over_them():
    rng = np.random.default_rng(0)
    values, episodes = rng.normal(size=40), np.arange(40)
    tasks = episodes % 2
    apart = standard_error(values + 100 * tasks, episodes, tasks)
    assert apart == pytest.approx(standard_error(values, episodes, tasks))
    assert apart == pytest.approx(np.hypot(*(standard_error(values[tasks == t], episodes[:20]) for t in (0, 1))) / 2)
    assert standard_error(values, episodes, np.minimum(episodes, 1)) is None  # a task of one episode

    scores = [fake_score(task, episode, ssim) for task, ssim in (("a", 0.2), ("b", 0.9)) for episode in range(3)]
    assert summarize(scores)["overall"]["prediction"]["ssim"]["standard_error"] == pytest.approx(0)


def test_draw_evenly(rows):
    drawn = draw_evenly(rows, 3)
    for task in TASKS:
        of_task = [row for row in rows if row.task == task]
        chosen = [row for row in drawn if row.task == task]
        assert chosen == [of_task[0], of_task[round((len(of_task) - 1) / 2)], of_task[-1]]
    assert draw_evenly(rows, None) == rows
    assert draw_evenly(rows, 10_000) == rows
    with pytest.raises(ValueError, match="at least one"):
        draw_evenly(rows, 0)


def test_a_horizon_that_does_not_fit_is_refused(dataset):
    manifest = load_manifest(dataset)
    predictor = KnownPredictor(darker)
    check_horizon(predictor, manifest)
    predictor.step_duration = None
    check_horizon(predictor, manifest)
    predictor.step_duration = 0.1
    with pytest.raises(HorizonMismatchError, match=r"2 s ahead .* 1\.2 s apart"):
        check_horizon(predictor, manifest)
    predictor.step_duration = 0.06
    with pytest.raises(HorizonMismatchError, match="20 steps ahead, but the dataset's pairs are 50"):
        check_horizon(predictor, replace(manifest, horizon=50))


def test_unreadable_frames_are_named(rows, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    broken = replace(rows[0], edited_image=tmp_path / "broken.jpg")
    with pytest.raises(DatasetError, match=r"broken\.jpg"):
        measure(KnownPredictor(darker), [broken], MeasureOptions())


def test_grid_shows_even_worst_and_best():
    scores = [fake_score("a", episode, ssim) for episode, ssim in enumerate([0.5, 0.1, 0.6, 0.9, 0.4, 0.3])]
    chosen = [(label, score.row.episode) for label, score in choose_rows(scores)]
    assert chosen == [("evenly drawn", 1), ("evenly drawn", 3), ("evenly drawn", 5), ("worst", 1), ("best", 3)]


def test_grid_of_a_single_pair(tmp_path):
    pictures = tuple(np.full((48, 64, 3), level, np.uint8) for level in (0, 100, 200))
    write_grid(tmp_path / "grid.png", [fake_score("a", 0, 0.5)], lambda row: pictures, "20 steps")
    image = cv2.imread(str(tmp_path / "grid.png"))
    assert image.shape[1] > 1000
    levels = set(np.unique(image.reshape(-1, 3), axis=0)[:, 0])
    assert {0, 100, 200} <= levels


def run(checkpoint, dataset, out, *options):
    arguments = ["--checkpoint", str(checkpoint), "--dataset", str(dataset), "--out", str(out), "--device", "cpu"]
    return evaluate.main([*arguments, *options])


def test_the_command_with_a_real_checkpoint(dataset, tmp_path, capsys):
    from tiny_checkpoint import make_tiny_checkpoint

    checkpoint = make_tiny_checkpoint(tmp_path / "checkpoint", horizon=HORIZON)
    big = ("--resolution", "80x64", "--max-pairs", "4")  # predictors want 64 pixels a side
    assert run(checkpoint, dataset, tmp_path / "out", *big) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["split"], results["seed"], results["resolution"]) == ("test", 0, [80, 64])
    assert results["dataset"]["horizon"] == HORIZON
    assert results["hardware"]["device"] == "cpu"
    assert {"torch", "scikit-image"} <= results["versions"].keys()
    assert results["seconds_per_prediction"]["single"] > 0
    assert results["scores"]["tasks"].keys() == set(TASKS)
    assert results["scores"]["overall"]["pairs"] == 8
    with (tmp_path / "out" / "pairs.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    mean = np.mean([float(line["prediction_ssim"]) for line in lines])
    assert mean == pytest.approx(results["scores"]["overall"]["prediction"]["ssim"]["mean"], abs=1e-6)
    table = (tmp_path / "out" / "results.md").read_text()
    assert f"{mean:.4f}" in table
    assert f"{mean:.4f}" in capsys.readouterr().out
    grid = cv2.imread(str(tmp_path / "out" / "grid.png"))
    assert grid.shape[0] > 1500  # five rows for each of two tasks


def test_the_command_names_what_does_not_fit(tiny_checkpoint, dataset, tmp_path, capsys):
    assert run(tiny_checkpoint, dataset, tmp_path / "out") == 1
    assert "50 steps ahead, but the dataset's pairs are 20 steps apart" in capsys.readouterr().err
    assert run(tiny_checkpoint, dataset, tmp_path / "out", "--split", "validation") == 1
    assert "no split 'validation'; it has test, train" in capsys.readouterr().err
    assert run(tiny_checkpoint, tmp_path, tmp_path / "out") == 1
    assert "not a dataset folder" in capsys.readouterr().err
    assert run(tmp_path / "nothing", dataset, tmp_path / "out") == 1
    assert "nothing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
