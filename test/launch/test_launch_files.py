"""The launch files, run by the real `ros2 launch` from an install space made on the spot."""

import os
import signal
import sys
from pathlib import Path

import pytest
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
    for name in ("predictor_node", "camera_node"):
        script = executables / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m framepred_ros.{name} "$@"\n')
        script.chmod(0o755)
    return prefix


def launched(prefix, file, **arguments):
    path = os.pathsep.join(filter(None, [str(prefix), os.environ.get("AMENT_PREFIX_PATH")]))
    python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    code = (
        "import sys; from launch import LaunchDescription, LaunchService; "
        "from launch.actions import IncludeLaunchDescription; "
        "from launch.launch_description_sources import PythonLaunchDescriptionSource as Source; "
        "arguments = [tuple(word.split(':=', 1)) for word in sys.argv[2:]]; "
        "include = IncludeLaunchDescription(Source(sys.argv[1]), launch_arguments=arguments); "
        "service = LaunchService(); service.include_launch_description(LaunchDescription([include])); "
        "sys.exit(service.run())"
    )
    words = [f"{name}:={value}" for name, value in arguments.items()]
    return Process(
        sys.executable, "-c", code, str(ROOT / "launch" / file), *words, AMENT_PREFIX_PATH=path, PYTHONPATH=python_path
    )


def test_predictor_launch_passes_on_what_is_given(prefix, tester, tiny_checkpoint):
    arguments = {"image_topic": "/front/image", "instruction": "2", "max_rate": "4", "namespace": "robot"}
    with launched(prefix, "predictor.launch.py", checkpoint=tiny_checkpoint, **arguments) as launch:
        tester.wait_for_state("robot/predictor", "active")
        assert tester.count_subscribers("/front/image") == 1
        assert "Instruction: '2'" in launch.output
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


def test_node_parameters_are_the_only_source_of_defaults():
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    for file in ("predictor.launch.py", "demo.launch.py"):
        description = PythonLaunchDescriptionSource(str(ROOT / "launch" / file)).get_launch_description(LaunchContext())
        for argument in description.get_launch_arguments():
            assert argument.default_value[0].text == "", argument.name
