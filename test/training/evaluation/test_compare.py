"""Studies end to end: interrupted ones, several processes, and the report in a real browser."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from moving_squares import make_moving_squares
from PIL import Image
from tiny_checkpoint import make_tiny_checkpoint

from training import compare

HORIZON = 8
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A dataset, a checkpoint and a study of them."""
    root = tmp_path_factory.mktemp("compare")
    make_moving_squares(root / "dataset", horizon=HORIZON)
    make_tiny_checkpoint(root / "checkpoint", horizon=HORIZON)
    study = {
        "title": "Sliding squares",
        "dataset": str(root / "dataset"),
        "featured": "tiny",
        "batch_size": 3,
        "predictors": {
            "linear motion": {"kind": "linear_motion", "lookback": 2},
            "retrieval": {"kind": "retrieval", "every": 1},
            "untrained": {"kind": "untrained", "checkpoint": str(root / "checkpoint")},
            "tiny": {"kind": "checkpoint", "checkpoint": str(root / "checkpoint")},
            "ceiling": {"kind": "autoencoder_ceiling", "checkpoint": str(root / "checkpoint")},
        },
        "curves": [{"title": "Steps", "predictors": ["tiny"], "vary": "steps", "values": [1, 2], "pairs_per_task": 2}],
        "table_1": {"Training 2": {"needs": "a GPU"}},
    }
    (root / "study.yaml").write_text(yaml.safe_dump(study))
    return root


@pytest.fixture(scope="module")
def out(folder):
    assert compare.main([str(folder / "study.yaml"), "--out", str(folder / "out"), "--device", "cpu"]) == 0
    return folder / "out"


def scores_of(out):
    return json.loads((out / "results.json").read_text())["scores"]


def assert_means_agree(out, other):
    """Batches of other sizes round differently, which may change a pixel by one level."""
    one, two = scores_of(out)["overall"], scores_of(other)["overall"]
    for name in one:
        if name in ("pairs", "episodes"):
            assert one[name] == two[name]
            continue
        for metric, cell in one[name].items():
            assert two[name][metric]["count"] == cell["count"]
            assert two[name][metric]["mean"] == pytest.approx(cell["mean"], rel=1e-4), (name, metric)


def test_results_hold_every_predictor_and_the_paper(out):
    results = json.loads((out / "results.json").read_text())
    overall = results["scores"]["overall"]
    assert overall["pairs"] == 24
    names = {"copying", "linear motion", "retrieval", "untrained", "tiny", "ceiling"}
    assert names <= overall.keys() and results["seconds_per_prediction"].keys() == names
    assert results["differences"].keys() == names - {"copying"}
    assert [point["value"] for point in results["curves"]["Steps"]] == [1, 2]
    text = (out / "results.md").read_text()
    table_1 = ("0.7767 / 16.2329", "0.4778 / 8.1490", "not measured here: needs a GPU", "2507.14809", "PSNR 39.71")
    for part in (*table_1, "| Steps | 2 | tiny |"):
        assert part in text
    with Image.open(out / "animation_slide_left.gif") as animation:
        assert animation.n_frames > 5 and animation.height == 150
    pictures = {path.name: path.stat().st_size for path in out.glob("*.png")}
    side_by_side = {f"side_by_side_slide_{side}.png" for side in ("left", "right")}
    assert set(pictures) == {"grid.png", "curve_1.png"} | side_by_side
    assert min(pictures.values()) > 10_000


def test_a_second_run_predicts_nothing_again(folder, out, monkeypatch):
    from framepred_ros.prediction.predictor import FramePredictor

    before = {path.name: path.read_bytes() for path in (out / "scores").iterdir()}
    sizes = []
    real = FramePredictor.predict_batch
    monkeypatch.setattr(
        FramePredictor,
        "predict_batch",
        lambda self, images, *args, **kwargs: sizes.append(len(images)) or real(self, images, *args, **kwargs),
    )
    assert compare.main([str(folder / "study.yaml"), "--out", str(out), "--device", "cpu"]) == 0
    assert {path.name: path.read_bytes() for path in (out / "scores").iterdir()} == before
    assert set(sizes) == {1}  # times and pictures only


def test_a_horizon_that_does_not_fit_is_refused_unless_ignored(folder, tmp_path, capsys):
    make_moving_squares(tmp_path / "dataset", horizon=HORIZON + 1)
    arguments = ["--out", str(tmp_path / "out"), "--dataset", str(tmp_path / "dataset"), "--device", "cpu"]
    assert compare.main([str(folder / "study.yaml"), *arguments]) == 1
    assert "predicts 8 steps ahead, but the dataset's pairs are 9 steps apart" in capsys.readouterr().err


def test_an_empty_split_is_refused(folder, tmp_path, capsys):
    shutil.copytree(folder / "dataset", tmp_path / "dataset")
    (tmp_path / "dataset" / "test" / "metadata.jsonl").write_text("")
    arguments = ["--out", str(tmp_path / "out"), "--dataset", str(tmp_path / "dataset")]
    assert compare.main([str(folder / "study.yaml"), *arguments]) == 1
    assert "the split 'test' has no pairs" in capsys.readouterr().err


def command(folder, out, launcher=()):
    arguments = ["training.compare", str(folder / "study.yaml"), "--out", str(out), "--device", "cpu"]
    return [sys.executable, "-m", *launcher, *(["-m"] if launcher else []), *arguments]


@pytest.mark.slow
def test_a_killed_study_goes_on_where_it_stopped(folder, out, tmp_path):
    process = subprocess.Popen(command(folder, tmp_path / "out"), cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not any((tmp_path / "out").glob("scores/*.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out" / "results.json").exists()
    kept = {path.name: path.read_bytes() for path in (tmp_path / "out" / "scores").iterdir()}
    first = next(iter(kept))
    with (tmp_path / "out" / "scores" / first).open("a") as file:
        file.write('{"row": ["slide_left", 4')  # a line cut off
    subprocess.run(command(folder, tmp_path / "out"), cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "out" / "scores" / first).read_bytes().startswith(kept[first])
    assert_means_agree(tmp_path / "out", out)


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one(folder, out, tmp_path):
    launcher = [
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        "--standalone",
    ]  # accelerate launch starts CPUs like this
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command(folder, tmp_path / "out", launcher), cwd=ROOT, env=environment, check=True)
    assert {path.name.split(".")[1] for path in (tmp_path / "out" / "scores").iterdir()} == {"0", "1"}
    assert_means_agree(tmp_path / "out", out)


@pytest.mark.slow
def test_the_report_works_in_a_browser(out, tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("no Chromium")
    html = (out / "report.html").read_text()
    assert "http://" not in html and "https://" not in html
    assert (out / "report.html").stat().st_size < 8 * 2**20
    keys = "for (const key of ['3', 'n']) document.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));"
    # A key event dispatched to the document has no tag name to look at, as one typed into the page has.
    page = tmp_path / "report.html"
    page.write_text(html.replace("</body>", f"<script>{keys.replace('document.d', 'document.body.d')}</script></body>"))
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run([browser, *arguments, profile, page.as_uri()], capture_output=True, text=True, timeout=250)
    assert "tiny: SSIM" in done.stdout
    assert 'aria-valuetext="truth"' in done.stdout
    assert done.stdout.count('class="shown"') == 1 and '<img alt="truth" src="data:image/jpeg' in done.stdout
    assert "“slide the square" in done.stdout
