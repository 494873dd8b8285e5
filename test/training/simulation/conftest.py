"""Rendering needs an OpenGL library, which a bare machine does not have: those tests say so and skip."""

import subprocess
import sys

import pytest

import training.simulation  # noqa: F401  (chooses MuJoCo's OpenGL before a test module imports MuJoCo)


@pytest.fixture(scope="session")
def opengl():
    """Skip where MuJoCo cannot render; tried in a process of its own, because a failed start can end the process."""
    code = "import training.simulation, mujoco; mujoco.Renderer(mujoco.MjModel.from_xml_string('<mujoco/>'), 8, 8)"
    if subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120).returncode != 0:
        pytest.skip("MuJoCo cannot render here: no OpenGL library (Debian: libegl1 or libosmesa6)")
