"""Ctrl-C and SIGTERM end the nodes' processes with code 0 and without a traceback, whenever they come."""

import signal
import subprocess
import sys
from contextlib import suppress

import pytest
from ros_testing import Process, node_process

pytestmark = pytest.mark.ros


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["predictor_node", "camera_node"])
def test_a_signal_during_the_imports_ends_it_quietly(tester, module, number):
    """Python reports each module once it is imported; those of rclpy come in the midst of all."""
    with Process(sys.executable, "-X", "importtime", "-m", f"framepred_ros.{module}") as process:
        tester.wait_until(lambda: "rclpy.constants" in process.output, "it imports rclpy")
        code, _ = process.end(number)
        own = [line for line in process.output.splitlines() if "import time:" not in line]
        assert code == 0 and not own, own


def test_ctrl_c_that_comes_again_and_again_ends_the_predictor_node_cleanly(tester):
    """Launch passes on what a terminal has sent already, and sends it again when it waits for long."""
    with node_process("predictor_node", autostart="false") as node:
        tester.wait_for_state("predictor", "unconfigured")
        while node.process.poll() is None:
            node.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                node.process.wait(0.005)
        assert node.process.returncode == 0 and "Traceback" not in node.output, node.output


@pytest.mark.parametrize(
    "words, reason",
    [
        (["-r", "image=x"], "(a rule is NAME:=NEW_NAME"),
        (["--params-file", "/no/such.yaml"], "'--params-file /no/such.yaml'. Error: Error opening YAML file (give"),
        (["--nonsense"], "unknown ROS arguments: ['--nonsense']"),
    ],
)
def test_ros_arguments_that_cannot_be_read_are_named_in_one_line(words, reason):
    with Process(sys.executable, "-m", "framepred_ros.camera_node", "--ros-args", *words) as process:
        assert process.wait() == 1
        lines = [line for line in process.output.splitlines() if " [rcl]: Failed to parse " not in line]
        assert len(lines) == 1 and lines[0].startswith("camera_node.py: ") and reason in lines[0]
        assert ".c:" not in lines[0]
