"""Start a camera that replays a sample episode for ever, and the predictor node that listens to it.

`ros2 launch framepred_ros demo.launch.py task:=blocks_stack_easy`; all arguments of predictor.launch.py apply, too.
"""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from framepred_ros.replay.camera_parameters import CAMERA_PARAMETERS
from framepred_ros.ros.local_network import share_file

# Which episode; the rest of the camera's parameters is what makes this a demo.
EPISODE_PARAMETERS = [spec for spec in CAMERA_PARAMETERS if spec.name in ("task", "bag", "bag_topic")]


def start_camera(context):
    """Start the camera on the topics that the predictor listens to."""
    given = {name: value for name, value in context.launch_configurations.items() if value}
    episode = {
        spec.name: ParameterValue(given[spec.name], value_type=str) for spec in EPISODE_PARAMETERS if spec.name in given
    }
    # The predictor checks what is given; here it only goes along.
    clock = {"use_sim_time": ParameterValue(given["use_sim_time"], value_type=bool)} if "use_sim_time" in given else {}
    node = Node(
        package="framepred_ros",
        executable="camera_node",
        namespace=given.get("namespace"),
        parameters=[{**episode, "loop": True, "wait_for_subscribers": 1} | clock],
        remappings=[
            (topic, given[name])
            for topic, name in (("image", "image_topic"), ("instruction", "instruction_topic"))
            if name in given
        ],
        output="screen",
        on_exit=end_demo,
    )
    return [node]


def end_demo(event, context):
    """End the predictor, too, which would wait for ever for another camera; the exit code says that it went wrong."""
    if context.is_shutdown:
        return None
    raise RuntimeError(f"the camera ended with exit code {event.returncode}; its last lines above say why")


def generate_launch_description():
    """Return the predictor with its arguments, and the camera."""
    predictor = PythonLaunchDescriptionSource(os.fspath(share_file("launch", "predictor.launch.py")))
    arguments = [
        DeclareLaunchArgument(spec.name, default_value="", description=spec.description) for spec in EPISODE_PARAMETERS
    ]
    return LaunchDescription([*arguments, IncludeLaunchDescription(predictor), OpaqueFunction(function=start_camera)])
