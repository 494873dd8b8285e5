import cv2
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.trainer.run_log import read_log
from training.trainer.validation_log import log_validation


def summary(ssim):
    def scores(value):
        return {"ssim": {"mean": value}, "psnr": {"mean": 30 * value}}

    values = {"prediction": scores(ssim), "copy": scores(0.5)}
    return {"overall": values, "tasks": {"slide_right": values, "slide_left": values}}


def test_every_validation_is_a_line_a_point_on_the_board_and_one_of_the_picture(tmp_path):
    (tmp_path / "validation").mkdir()
    for step, ssim in ((10, 0.6), (20, 0.7)):
        log_validation(tmp_path, step, summary(ssim))
    lines = read_log(tmp_path / "validation" / "scores.jsonl")
    assert [(line["step"], line["slide_left"]["prediction"]["ssim"]) for line in lines] == [(10, 0.6), (20, 0.7)]
    assert lines[-1]["overall"]["copy"] == {"ssim": 0.5, "psnr": 15.0}
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("validation_ssim")
    np.testing.assert_allclose([(event.step, event.value) for event in events], [(10, 0.6), (20, 0.7)])
    assert cv2.imread(str(tmp_path / "validation" / "scores.png")) is not None


def test_a_resumed_run_never_tells_a_validation_twice(tmp_path):
    (tmp_path / "validation").mkdir()
    for step in (10, 20, 30, 20):
        log_validation(tmp_path, step, summary(0.6))
    assert [line["step"] for line in read_log(tmp_path / "validation" / "scores.jsonl")] == [10, 20]
