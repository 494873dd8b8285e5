"""The supervisor: with small functions as its child, and with the node."""

import os
import signal
import sys
import textwrap

import psutil
import pytest
from ros_testing import INSTRUCTION, Camera, Process, make_picture


def supervise(work, *words):
    """A process that supervises a function of these lines of Python; `words` are its sys.argv[1:]."""
    program = "import os, signal, sys, time\nfrom framepred_ros.node.supervisor import Supervisor\ndef work():\n"
    program += textwrap.indent(textwrap.dedent(work), "    ") + "\nsys.exit(Supervisor('child', work).run())"
    return Process(sys.executable, "-c", program, *map(str, words))


def test_a_killed_child_is_started_again_until_it_ends_by_itself(tmp_path):
    work = """
    lives = open(sys.argv[1], "a+")
    lives.write("x")
    lives.flush()
    if lives.tell() < 3:
        os.kill(os.getpid(), signal.SIGKILL)
    """
    with supervise(work, tmp_path / "lives") as process:
        assert process.process.wait(60) == 0
        assert process.output.count("child was ended by SIGKILL after 0 s; it is started again") == 2
    assert (tmp_path / "lives").read_text() == "xxx"


@pytest.mark.parametrize(("ending", "code"), [("sys.exit(3)", 3), ("sys.exit('a bad option')", 1), ("1 / 0", 1)])
def test_a_child_that_cannot_start_is_not_started_again(ending, code):
    with supervise(ending) as process:
        assert process.process.wait(60) == code
        assert "started again" not in process.output
        assert ("a bad option" in ending) == ("a bad option" in process.output)
        assert ("1 / 0" in ending) == ("ZeroDivisionError" in process.output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_child_once_and_end_both(tester, number):
    work = f"""
    def end(*_):
        print("child ends", flush=True)
        time.sleep(0.5)
        sys.exit(0)
    signal.signal({number:d}, end)
    print("child is ready", flush=True)
    while True:
        time.sleep(60)
    """
    with supervise(work) as process:
        tester.wait_until(lambda: "child is ready" in process.output, "the child runs")
        os.killpg(process.process.pid, number)  # as a terminal does
        tester.wait_until(lambda: "child ends" in process.output, "the child is told")
        process.process.send_signal(number)  # as launch does besides
        assert process.process.wait(60) == 0
        assert process.output.count("child ends") == 1 and "started again" not in process.output


@pytest.mark.ros
def test_a_killed_node_predicts_again_and_ends_with_its_supervisor(tester, tiny_checkpoint):
    command = [sys.executable, "-m", "framepred_ros.node.supervisor", "--ros-args"]
    command += ["-p", f"checkpoint:={tiny_checkpoint}", "-p", f"instruction:={INSTRUCTION}", "-p", "device:=cpu"]
    with Process(*command, "-r", "__ns:=/supervised") as process:
        camera = Camera(tester, "/supervised/")
        camera.wait_for_node()
        assert camera.predict(make_picture()).width == 128
        (node,) = psutil.Process(process.process.pid).children()
        node.kill()
        tester.wait_until(lambda: process.output.count("Active: ") == 2, "the node is active again")
        assert camera.predict(make_picture(seed=1)).width == 128
        (node,) = psutil.Process(process.process.pid).children()
        os.kill(process.process.pid, signal.SIGKILL)
        tester.wait_until(lambda: not node.is_running(), "nothing is left behind")
        tester.destroy_publisher(camera.publisher)


def test_a_bad_option_is_one_line_and_the_end():
    command = [sys.executable, "-m", "framepred_ros.node.supervisor", "--ros-args", "-p", "steps:=-1"]
    with Process(*command, ROS_DOMAIN_ID=os.environ.get("ROS_DOMAIN_ID", "0")) as process:
        assert process.process.wait(90) == 1
        assert "steps" in process.output and "Traceback" not in process.output, process.output
