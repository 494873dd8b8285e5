"""The launch files, run by the real `ros2 launch` from an install space made on the spot."""

import os
import signal
import sys
from pathlib import Path

import pytest
from rcl_interfaces.srv import GetParameters
from ros_testing import Process, make_picture, write_bag
from sensor_msgs.msg import Image

pytest.importorskip(
    "launch_ros.actions", reason="launch_ros comes with a ROS 2 installation only", exc_type=ImportError
)
pytestmark = [pytest.mark.ros, pytest.mark.slow]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """An install prefix whose executables run the source tree."""
    prefix = tmp_path_factory.mktemp("prefix")
    index = prefix / "share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    (index / "framepred_ros").touch()
    executables = prefix / "lib/framepred_ros"
    executables.mkdir(parents=True)
    modules = {"predictor_node": "predictor_node", "predictor_supervisor": "node.supervisor"}
    for name, module in (modules | {"camera_node": "camera_node"}).items():
        script = executables / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m framepred_ros.{module} "$@"\n')
        script.chmod(0o755)
    return prefix


def launch_process(prefix, code, *words):
    """Run Python code that makes a launch description `description` out of the words in sys.argv[1:]."""
    path = os.pathsep.join(filter(None, [str(prefix), os.environ.get("AMENT_PREFIX_PATH")]))
    python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    run = "service = LaunchService(); service.include_launch_description(description); sys.exit(service.run())"
    code = f"import sys\nfrom launch import LaunchDescription, LaunchService\n{code}\n{run}"
    return Process(sys.executable, "-c", code, *map(str, words), AMENT_PREFIX_PATH=path, PYTHONPATH=python_path)


def launched(prefix, file, **arguments):
    code = """
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource as Source
arguments = [tuple(word.split(":=", 1)) for word in sys.argv[2:]]
description = LaunchDescription([IncludeLaunchDescription(Source(sys.argv[1]), launch_arguments=arguments)])
"""
    return launch_process(prefix, code, ROOT / "launch" / file, *(f"{name}:={arguments[name]}" for name in arguments))


def test_predictor_launch_passes_on_what_is_given(prefix, tester, tiny_checkpoint):
    arguments = {"image_topic": "/front/image", "instruction": "2", "max_rate": "4", "namespace": "robot"}
    with launched(prefix, "predictor.launch.py", checkpoint=tiny_checkpoint, **arguments) as launch:
        tester.wait_for_state("robot/predictor", "active")
        assert tester.count_subscribers("/front/image") == 1
        assert "Instruction: '2'" in launch.output
        code, _ = launch.end(signal.SIGINT)
        assert code == 0 and "process has finished cleanly" in launch.output, launch.output


def test_predictor_launch_maps_topics_for_every_camera(prefix, tester, tiny_checkpoint):
    arguments = {"cameras": "[left, right]", "image_topic": "/{camera}/rgb", "image_transport": "compressed"}
    arguments |= {"monitor": "true", "horizons": "[50]"}
    with launched(prefix, "predictor.launch.py", checkpoint=tiny_checkpoint, **arguments) as launch:
        tester.wait_for_state("predictor", "active")
        request = GetParameters.Request(names=["horizons"])
        (horizons,) = tester.call(GetParameters, "predictor/get_parameters", request).values
        assert list(horizons.integer_array_value) == [50]
        for camera in ("left", "right"):
            assert tester.count_subscribers(f"/{camera}/rgb/compressed") == 1
            assert tester.count_publishers(f"/{camera}/predicted_frame/compressed") == 1
            assert tester.count_publishers(f"/predictor/{camera}/monitor/scores") == 1
        code, _ = launch.end(signal.SIGINT)
        assert code == 0, launch.output


def test_predictor_launch_starts_a_killed_node_again(prefix, tester, tiny_checkpoint):
    with launched(prefix, "predictor.launch.py", checkpoint=tiny_checkpoint, respawn="true") as launch:
        for deaths in range(2):
            started = "process started with pid ["
            tester.wait_until(lambda: launch.output.count(started) > deaths, "the node is started")  # noqa: B023
            tester.wait_until(lambda: launch.output.count("Active: ") > deaths, "the node is active")  # noqa: B023
            os.kill(int(launch.output.rsplit(started, 1)[1].split("]")[0]), signal.SIGKILL)
        tester.wait_until(lambda: launch.output.count("Active: ") == 3, "the node is active again")
        code, _ = launch.end(signal.SIGINT)
        assert code == 0 and launch.output.count("process has died") == 2, launch.output


def pids(launch):
    return [int(line.split("]")[0]) for line in launch.output.split("process started with pid [")[1:]]


def test_a_node_that_refuses_its_options_is_not_started_again(prefix):
    with launched(prefix, "predictor.launch.py", respawn="true", steps="-1") as launch:
        launch.wait()  # launch ends with its last process
        assert len(pids(launch)) == 1 and "steps out of range" in launch.output, launch.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_that_is_asked_to_end_is_not_started_again(prefix, tester, tiny_checkpoint, number):
    with launched(prefix, "predictor.launch.py", checkpoint=tiny_checkpoint, respawn="true") as launch:
        tester.wait_until(lambda: "Active: " in launch.output, "the node is active")
        os.kill(pids(launch)[0], number)
        launch.wait()
        assert len(pids(launch)) == 1 and "process has finished cleanly" in launch.output, launch.output


def test_simulated_time_reaches_the_node(prefix, tester, tiny_checkpoint):
    with launched(prefix, "predictor.launch.py", checkpoint=tiny_checkpoint, use_sim_time="true") as launch:
        answer = tester.call(GetParameters, "predictor/get_parameters", GetParameters.Request(names=["use_sim_time"]))
        assert answer.values[0].bool_value
        code, _ = launch.end(signal.SIGINT)
        assert code == 0, launch.output


@pytest.mark.parametrize("name", ["use_sim_time", "respawn"])
def test_what_is_neither_true_nor_false_is_refused(prefix, name):
    with launched(prefix, "predictor.launch.py", **{name: "perhaps"}) as launch:
        assert launch.wait() == 1
        assert f"{name} must be true or false, not 'perhaps'" in launch.output, launch.output


def test_arguments_of_a_parent_can_be_kept_out(prefix, tester, tiny_checkpoint):
    """As docs/node.md has it; without the group, launch hands on the parent's `device`."""
    code = """
from launch.actions import GroupAction, IncludeLaunchDescription, SetLaunchConfiguration
from launch.launch_description_sources import PythonLaunchDescriptionSource as Source
include = IncludeLaunchDescription(Source(sys.argv[1]), launch_arguments=[("checkpoint", sys.argv[2])])
parent = SetLaunchConfiguration("device", "nonsense")
description = LaunchDescription([parent, GroupAction([include], forwarding=False)])
"""
    with launch_process(prefix, code, ROOT / "launch" / "predictor.launch.py", tiny_checkpoint) as launch:
        tester.wait_for_state("predictor", "active")
        code, _ = launch.end(signal.SIGINT)
        assert code == 0, launch.output


def test_a_launch_file_can_drive_the_lifecycle(prefix, tester, tiny_checkpoint):
    code = """
from launch.actions import EmitEvent, RegisterEventHandler
from launch.events import matches_action
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition
node = LifecycleNode(package="framepred_ros", executable="predictor_node", name="predictor", namespace="/driven",
                     parameters=[{"autostart": False, "checkpoint": sys.argv[1]}], output="screen")
def change(transition):
    return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))
activate = OnStateTransition(target_lifecycle_node=node, start_state="configuring", goal_state="inactive",
                             entities=[change(Transition.TRANSITION_ACTIVATE)])
description = LaunchDescription([RegisterEventHandler(activate), node, change(Transition.TRANSITION_CONFIGURE)])
"""
    with launch_process(prefix, code, tiny_checkpoint) as launch:
        tester.wait_for_state("driven/predictor", "active")
        code, _ = launch.end(signal.SIGINT)
        assert code == 0 and "process has finished cleanly" in launch.output, launch.output


def test_demo_launch_feeds_the_predictor(prefix, tester, tiny_checkpoint, tmp_path):
    bag = write_bag(tmp_path / "episode", [make_picture(seed=seed) for seed in range(5)])
    predictions = tester.record(Image, "predicted_frame")
    with launched(prefix, "demo.launch.py", checkpoint=tiny_checkpoint, bag=bag) as launch:
        tester.wait_until(lambda: len(predictions) > 6, "predictions from a second round")
        assert predictions[-1].header.frame_id == "head_camera"
        code, _ = launch.end(signal.SIGINT)
        assert code == 0 and launch.output.count("process has finished cleanly") == 2, launch.output


def test_a_demo_whose_camera_cannot_play_ends(prefix):
    with launched(prefix, "demo.launch.py", task="nope") as launch:
        assert launch.wait() == 1
        assert "no episode of task 'nope'" in launch.output and "the camera ended with exit code 1" in launch.output
        assert "process has finished cleanly" in launch.output, "the predictor is ended, too"
