"""Start the predictor node: `ros2 launch framepred_ros predictor.launch.py image_topic:=/camera/image_raw`.

`--show-args` lists all arguments. An argument that is not given leaves the node's own default, or the parameter
file's value, in force. For several cameras a topic is a pattern:
`cameras:="[left, right]" image_topic:="/{camera}/image_raw"`.
"""

import signal
from typing import List  # noqa: UP035  (launch_ros wants List[str], not list[str])

import yaml
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue

from framepred_ros.node.parameters import PREDICTOR_PARAMETERS
from framepred_ros.ros.local_network import profile_variables

TOPICS = {
    "image_topic": ("image", "Camera topic, sensor_msgs/Image; its /compressed with image_transport:=compressed"),
    "instruction_topic": ("instruction", "Instruction topic, std_msgs/String"),
    "prediction_topic": ("predicted_frame", "Topic of the predicted frames, sensor_msgs/Image"),
}
RESPAWN_DELAY = 1.0  # seconds
ASKED_TO_END = {-signal.SIGINT, -signal.SIGTERM}  # as exit codes
OF_EVERY_CAMERA = ("image_topic", "prediction_topic")


def parameter(spec):
    """Return the argument of a parameter's name as that parameter's value."""
    kind = List[spec.item] if isinstance(spec.default, list) else type(spec.default)  # noqa: UP006
    return ParameterValue(LaunchConfiguration(spec.name), value_type=kind)


def remappings(given):
    """Return the remappings for the topics that are given, for every camera where a camera has the topic."""
    cameras = yaml.safe_load(given.get("cameras", "")) or []
    for argument, (topic, _) in TOPICS.items():
        if argument not in given:
            continue
        if cameras and argument in OF_EVERY_CAMERA:
            yield from ((f"{name}/{topic}", given[argument].replace("{camera}", name)) for name in cameras)
        else:
            yield topic, given[argument]


def start_node(context):
    """Pass on to the node what the user gave, and nothing else."""
    given = {name: value for name, value in context.launch_configurations.items() if value}
    parameters = [ParameterFile(given["params_file"])] if "params_file" in given else []
    parameters.append({spec.name: parameter(spec) for spec in PREDICTOR_PARAMETERS if spec.name in given})
    if "use_sim_time" in given:
        parameters.append({"use_sim_time": truth(given, "use_sim_time")})
    options = {
        "package": "framepred_ros",
        "namespace": given.get("namespace"),
        "parameters": parameters,
        "remappings": list(remappings(given)),
        "output": "screen",
    }
    if truth(given, "respawn"):
        return kept_alive({"executable": "predictor_supervisor", **options})
    return [Node(executable="predictor_node", **options)]


def truth(given, name):
    """Return an argument that is true or false; false if it is not given."""
    value = yaml.safe_load(given.get(name, "false"))
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, not '{given[name]}'")
    return value


def kept_alive(options):
    """Return the node's actions, which start it again when it was killed; launch's own `respawn` does so for any end.

    The supervisor itself starts the node again, as long as it lives. What it ends with, a refused option or a signal
    that asked it to end, is meant.
    """
    node = Node(**options)

    def start_again(event, context):
        if event.returncode >= 0 or event.returncode in ASKED_TO_END or context.is_shutdown:
            return None
        return [TimerAction(period=RESPAWN_DELAY, actions=kept_alive(options))]

    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=start_again)), node]


def generate_launch_description():
    """Return the arguments, the transport profile and the node."""
    arguments = {name: f"{text} (the node calls it '{topic}')" for name, (topic, text) in TOPICS.items()}
    arguments |= {spec.name: f"{spec.description} Node default: {spec.default!r}" for spec in PREDICTOR_PARAMETERS}
    arguments |= {"namespace": "Namespace of the node", "params_file": "YAML file with the node's parameters"}
    arguments["use_sim_time"] = "true: the node's time is that of /clock"
    arguments["respawn"] = "true: under a supervisor that starts the node again when it is killed or crashes"
    return LaunchDescription(
        [DeclareLaunchArgument(name, default_value="", description=text) for name, text in arguments.items()]
        + [SetEnvironmentVariable(name, profile) for name, profile in profile_variables().items()]
        + [OpaqueFunction(function=start_node)]
    )
