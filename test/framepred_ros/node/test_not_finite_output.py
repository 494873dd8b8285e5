"""A model whose numbers run away: told at the warm-up and on /diagnostics, and never shown."""

import shutil

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from ros_testing import INSTRUCTION, Camera, make_picture, predictor_node_here
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.ros


@pytest.fixture
def damaged(tiny_checkpoint, tmp_path):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "damaged")
    path = next(folder.glob("unet/*.safetensors"))
    weights = load_file(path)
    weights["conv_out.weight"].flatten()[0] = torch.nan
    save_file(weights, path, {"format": "pt"})
    return folder


def test_configure_fails_and_a_running_model_is_an_error_until_it_recovers(tester, tiny_checkpoint, damaged):
    arrays = tester.record(DiagnosticArray, "/diagnostics")

    def status_is(level, text):
        last = arrays[-1].status[-1] if arrays else None  # there may be none yet
        return last is not None and last.level == level and text in last.message

    with predictor_node_here(
        checkpoint=damaged, engine="fast", monitor=True, autostart=False, instruction=INSTRUCTION
    ) as node:
        assert not tester.change_state("predictor", "configure")
        assert str(damaged) in node._failure and "output is not finite" in node._failure
        assert tester.lifecycle_state("predictor") == "unconfigured"

        assert tester.set_parameter("predictor", "checkpoint", str(tiny_checkpoint)).successful
        assert tester.change_state("predictor", "configure") and tester.change_state("predictor", "activate")
        camera = Camera(tester)
        camera.wait_for_node()
        camera.predict(make_picture())
        predicted = len(camera.predictions)
        weight = node._pipeline.predictor.unet.conv_out.weight
        with torch.no_grad():
            before = weight.flatten()[0].item()
            weight.view(-1)[0] = torch.inf
        camera.send_picture(make_picture(seed=1))
        said = lambda: status_is(DiagnosticStatus.ERROR, "NonFiniteOutput")  # noqa: E731
        tester.wait_until(said, "the diagnostics say what is wrong")
        assert len(camera.predictions) == predicted
        with torch.no_grad():
            weight.view(-1)[0] = before
        camera.predict(make_picture(seed=2))
