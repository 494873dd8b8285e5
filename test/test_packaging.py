"""The package as colcon installs it: built, complete, and its nodes started from the install space."""

import os
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from ros_testing import Process

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        subprocess.run([sys.executable, "-m", "colcon", "--help"], capture_output=True).returncode != 0,
        reason="colcon is not installed",
    ),
]


@pytest.fixture(scope="module")
def install_space(tmp_path_factory, tiny_checkpoint):
    """A colcon workspace with a copy of the package, built; its shipped checkpoint is the tiny one."""
    workspace = tmp_path_factory.mktemp("workspace")
    source = workspace / "src" / "framepred_ros"
    source.mkdir(parents=True)
    for name in ("package.xml", "setup.py", "setup.cfg", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("resource", "launch", "config", "framepred_ros"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "checkpoints"))
    shutil.copytree(tiny_checkpoint, source / "framepred_ros" / "checkpoints" / "small")
    assert "ros.ament_python" in colcon(workspace, "list"), "package.xml is invalid; colcon builds it as plain Python"
    colcon(workspace, "build")
    return workspace / "install"


def colcon(workspace, *command):
    # Bare: what the test process inherits must not stand in for what was installed.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "AMENT_PREFIX_PATH")}
    done = subprocess.run(
        [sys.executable, "-m", "colcon", *command], cwd=workspace, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(install_space, command):
    """Run a command line in a shell that has sourced the install space, in a folder that is not the source tree."""
    script = f"cd / && source '{install_space}/setup.bash' && exec {command}"
    return Process("bash", "-c", script, PYTHONPATH="")


def test_everything_a_user_needs_is_installed(install_space):
    share = install_space / "framepred_ros" / "share"
    for path in (ROOT / "launch").glob("*.launch.py"):
        assert (share / "framepred_ros" / "launch" / path.name).is_file()
    for name in ("config/fastdds.xml", "config/predictor.yaml", "package.xml", "LICENSE"):
        assert (share / "framepred_ros" / name).is_file(), name
    assert (share / "ament_index/resource_index/packages/framepred_ros").is_file()
    package = next(install_space.glob("framepred_ros/**/framepred_ros/predictor_node.py")).parent
    for path in (ROOT / "framepred_ros" / "episodes").rglob("*"):
        assert (package / path.relative_to(ROOT / "framepred_ros")).exists(), path
    assert (package / "checkpoints/small/unet/diffusion_pytorch_model.safetensors").is_file()
    assert not list(package.parent.glob("training")) and not list(package.parent.glob("test"))


def test_the_installed_node_runs_with_the_installed_checkpoint(install_space, tester):
    executable = install_space / "framepred_ros/lib/framepred_ros/predictor_node"
    with installed(install_space, f"'{executable}' --ros-args -p instruction:='stack it'") as node:
        tester.wait_for_state("predictor", "active")
        code, _ = node.end(signal.SIGTERM)
        assert code == 0 and "Traceback" not in node.output, node.output


def test_the_installed_profile_is_found(install_space):
    code = "from framepred_ros.ros.local_network import profile_path; print(profile_path())"
    with installed(install_space, f'"{sys.executable}" -c "{code}"') as process:
        assert process.wait() == 0, process.output
        assert Path(process.output.strip()).is_relative_to(install_space)


def test_the_manifest_and_setup_agree():
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    assert manifest.get("format") == "3" and manifest.findtext("export/build_type") == "ament_python"
    told = subprocess.run([sys.executable, "setup.py", "--version"], cwd=ROOT, capture_output=True, text=True).stdout
    assert told.split()[-1] == manifest.findtext("version")
    assert manifest.findtext("license") == "Apache-2.0" and "Apache License" in (ROOT / "LICENSE").read_text()
