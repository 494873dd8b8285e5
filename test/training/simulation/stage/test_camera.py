"""The head camera is RoboTwin's: same focal length, same view of the table."""

import subprocess
import sys

import mujoco
import numpy as np

from training.simulation.stage.appearance import Appearance
from training.simulation.stage.camera import HeadCamera, calibration
from training.simulation.stage.scene import SceneSpec, build_model
from training.simulation.tasks import TASKS


def prepared(spec: SceneSpec):
    model = build_model(spec)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def test_calibration_is_robotwins():
    matrices = calibration(prepared(SceneSpec(objects=()))[1])
    intrinsic, extrinsic = matrices["intrinsic_cv"], matrices["extrinsic_cv"]
    assert intrinsic.dtype == extrinsic.dtype == np.float32 and extrinsic.shape == (3, 4)
    assert np.isclose(intrinsic[0, 0], 358.64, atol=0.01)
    pixel = intrinsic @ extrinsic @ np.array([0, 0, 0.74, 1])
    assert np.allclose(pixel[:2] / pixel[2], [175, 123], atol=1)
    assert np.allclose(matrices["cam2world_gl"][:3, 3], [-0.032, -0.45, 1.35])


def test_a_machine_without_opengl_still_simulates_and_says_what_rendering_needs(monkeypatch):
    code = (
        "from training.simulation.stage.scene import SceneSpec, build_model\n"
        "from training.simulation.stage.camera import HeadCamera\n"
        "model = build_model(SceneSpec(objects=()))\n"
        "print('compiled')\n"
        "HeadCamera(model)\n"
    )
    monkeypatch.setenv("MUJOCO_GL", "disable")  # what is chosen where no library is found
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "compiled\n"
    assert "apt install libegl1" in done.stderr.splitlines()[-1]


def test_frame_shows_the_red_block_where_calibration_says(opengl):
    task = TASKS["block_hammer_beat"](np.random.default_rng(0))
    model, data = prepared(task.scene(Appearance()))
    camera = HeadCamera(model)
    frame = camera.frame(data).astype(int)
    camera.close()
    assert frame.shape == (240, 320, 3)
    matrices = calibration(data)
    pixel = matrices["intrinsic_cv"] @ matrices["extrinsic_cv"] @ np.append(task.block.position, 1)
    u, v = (pixel[:2] / pixel[2]).astype(int)
    red, green, blue = frame[v, u]
    assert red > 100 > 2 * max(green, blue)  # RGB order, not BGR
