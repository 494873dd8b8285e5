"""docs/node.md, the live node, config/predictor.yaml and the launch files say the same."""

import re
from pathlib import Path

import pytest
import yaml
from rcl_interfaces.srv import DescribeParameters
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from ros_testing import INSTRUCTION, LATCHED, predictor_node_here
from std_msgs.msg import String

from framepred_ros.node.camera_monitor import SCORE_FIELDS
from framepred_ros.node.parameters import PREDICTOR_PARAMETERS
from framepred_ros.replay.camera_parameters import CAMERA_PARAMETERS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "node.md").read_text()
EVERY_NODES_TOPICS = {"/rosout", "/parameter_events", "/predictor/transition_event"}


def table(heading):
    """The rows of the first table under a heading of the page, cells without backticks."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]
    return rows[2:]


def expand(name, camera=""):
    """A documented topic name as the node `/predictor` resolves it; of a camera, if it is one of a camera's."""
    private = name.startswith("~/")
    name = name.removeprefix("~/")
    if camera and not name.startswith("/"):
        name = f"{camera}/{name}"
    return name if name.startswith("/") else f"/predictor/{name}" if private else f"/{name}"


def documented(heading, camera=""):
    return sorted((expand(topic, camera), kind, qos) for topic, kind, qos, _ in table(heading))


def type_name(kind):
    return f"{kind.__module__.split('.')[0]}/{kind.__name__}"


def declared(entities):
    reliability = {ReliabilityPolicy.RELIABLE: "reliable"}
    durability = {DurabilityPolicy.VOLATILE: "volatile", DurabilityPolicy.TRANSIENT_LOCAL: "transient local"}
    return sorted(
        (
            each.topic_name,
            type_name(each.msg_type),
            f"{reliability[qos.reliability]}, {durability[qos.durability]}, depth {qos.depth}",
        )
        for each in entities
        if (qos := each.qos_profile) and each.topic_name not in EVERY_NODES_TOPICS
    )


@pytest.fixture(scope="module")
def make_node(tiny_checkpoint):
    def make(**parameters):
        return predictor_node_here(
            checkpoint=tiny_checkpoint, instruction=INSTRUCTION, autostart=False, monitor=True, **parameters
        )

    return make


def activate(node):
    node.trigger_configure()
    node.trigger_activate()


@pytest.mark.ros
def test_topics_services_and_parameters_are_those_of_the_running_node(make_node, tester):
    latched = tester.create_publisher(String, "instruction", LATCHED)
    with make_node() as node:
        activate(node)
        compressed = "image/compressed"
        subscribed = [row for row in documented("Topics it subscribes to") if compressed not in row[0]]
        tester.wait_until(lambda: declared(node.subscriptions) == subscribed, "the page's topics, the latched one too")
        assert latched.get_subscription_count()
        assert declared(node.publishers) == documented("Topics it publishes")
        graph = node.get_service_names_and_types_by_node("predictor", "/")
        services = {name: kind.replace("/srv/", "/") for name, (kind,) in graph}
        standard = {f"/predictor/{name}" for name in re.findall(r"`~/(\w+_\w+)`", PAGE.split("## Services")[1])}
        assert standard < set(services)
        own = {name: kind for name, kind in services.items() if kind.startswith("std_srvs")}
        assert own == {expand(name): kind for name, kind, _ in table("Services")}

        names = sorted(name for name in node._parameters if not name.startswith("qos_overrides."))
        rows = {row[0]: row for row in table("Parameters")}
        assert names == sorted([*rows, "use_sim_time", "start_type_description_service"])
        request = DescribeParameters.Request(names=list(rows))
        for descriptor in tester.call(DescribeParameters, "predictor/describe_parameters", request).descriptors:
            _, kind, unit, default, limits, changes, meaning = rows[descriptor.name]
            assert descriptor.description.startswith(meaning) and changes in descriptor.description
            assert unit in descriptor.description and descriptor.read_only == (changes == "at start only")
            assert limits in descriptor.additional_constraints or limits == described_range(descriptor)


def described_range(descriptor):
    (limits,) = [*descriptor.floating_point_range, *descriptor.integer_range]
    return f"{limits.from_value:g} to {limits.to_value:.0f}"


@pytest.mark.ros
def test_with_named_cameras_the_topics_get_their_names(make_node, tester):
    latched = [tester.create_publisher(String, topic, LATCHED) for topic in ("instruction", "left/instruction")]
    with make_node(cameras=["left"], image_transport="compressed") as node:
        activate(node)
        everyones = [row for row in documented("Topics it subscribes to") if row[0] == "/instruction"]
        cameras = [row for row in documented("Topics it subscribes to", "left") if row[0] != "/left/image"]
        expected = sorted(everyones + cameras)
        tester.wait_until(lambda: declared(node.subscriptions) == expected, "the page's topics, the latched ones too")
        assert all(each.get_subscription_count() for each in latched)
        everyones = [row for row in documented("Topics it publishes") if row[0] == "/predictor/instruction"]
        assert declared(node.publishers) == sorted(everyones + documented("Topics it publishes", "left"))


def test_the_pages_parameters_are_those_of_the_table():
    def written(value):
        if isinstance(value, (bool, list)):
            return str(value).lower()
        return f'"{value}"' if isinstance(value, str) else str(value)

    def limits(spec):
        return f"{spec.minimum:g} to {spec.maximum:.0f}" if spec.minimum is not None else ", ".join(spec.choices)

    expected = [
        [
            spec.name,
            spec.type_name,
            spec.unit,
            written(spec.default),
            limits(spec),
            spec.changeable.value,
            spec.description,
        ]
        for spec in PREDICTOR_PARAMETERS
    ]
    assert table("Parameters") == expected


def test_the_pages_scores_are_in_the_messages_order():
    listed = PAGE.split("- **Scores.**")[1].split(": ")[1].split(". ")[0]
    assert tuple(re.findall(r"`(\w+)`", listed)) == SCORE_FIELDS


def test_the_parameter_file_holds_the_defaults():
    values = yaml.safe_load((ROOT / "config" / "predictor.yaml").read_text())["/**"]["ros__parameters"]
    assert values == {spec.name: spec.default for spec in PREDICTOR_PARAMETERS}
    assert [type(value) for value in values.values()] == [type(spec.default) for spec in PREDICTOR_PARAMETERS]


@pytest.mark.parametrize("file", ["predictor", "demo"])
def test_the_launch_files_arguments_are_documented_and_have_no_defaults(file):
    pytest.importorskip("launch_ros.actions", reason="launch_ros comes with a ROS 2 installation", exc_type=ImportError)
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    path = str(ROOT / "launch" / f"{file}.launch.py")
    arguments = PythonLaunchDescriptionSource(path).get_launch_description(LaunchContext()).get_launch_arguments()
    rows = [name for name, files, _ in table("Launch arguments") if file in files.split(", ")]
    names = {argument.name for argument in arguments}
    assert names == {*rows, *(spec.name for spec in PREDICTOR_PARAMETERS)}
    assert all(argument.default_value[0].text == "" for argument in arguments), "defaults are the node's"
    descriptions = {spec.name: spec.description for spec in (*PREDICTOR_PARAMETERS, *CAMERA_PARAMETERS)}
    for argument in arguments:
        assert descriptions.get(argument.name, "") in argument.description
