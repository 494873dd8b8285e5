"""The SROS2 policy and the viewers' configurations, compared with the graph of the running node."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml
from ros_testing import predictor_node_here

from framepred_ros.node.camera_monitor import SCORE_FIELDS

ROOT = Path(__file__).resolve().parents[3]
POLICY = ROOT / "security" / "framepred.policy.xml"
# Elements, their attributes and children in sros2's schema 0.2.0 (ros2/sros2: sros2/sros2/policy/schemas/policy.xsd).
SCHEMA = {
    "policy": ({"version"}, {"enclaves"}),
    "enclaves": (set(), {"enclave"}),
    "enclave": ({"path"}, {"profiles"}),
    "profiles": (set(), {"profile"}),
    "profile": ({"ns", "node"}, {"topics", "services"}),
    "topics": ({"publish", "subscribe"}, {"topic"}),
    "services": ({"reply", "request"}, {"service"}),
    "topic": (set(), set()),
    "service": (set(), set()),
}
NOT_ALWAYS = {"subscribe": {"/image/compressed", "/clock"}}  # image_transport compressed; use_sim_time


@pytest.fixture(scope="module")
def graph(tiny_checkpoint):
    """What the active node, with everything on, publishes, subscribes and serves: names by permission."""
    with predictor_node_here(checkpoint=tiny_checkpoint, monitor=True, autostart=False) as node:
        node.trigger_configure()
        node.trigger_activate()
        queries = {
            "publish": node.get_publisher_names_and_types_by_node,
            "subscribe": node.get_subscriber_names_and_types_by_node,
            "reply": node.get_service_names_and_types_by_node,
        }
        yield {kind: {name for name, _ in query("predictor", "/")} for kind, query in queries.items()}


def granted():
    """The policy's names by permission, expanded as ROS expands them."""
    names = {}
    for group in ElementTree.parse(POLICY).iter():
        for permission, value in group.attrib.items():
            if value == "ALLOW":
                expanded = [re.sub("^~", "/predictor", each.text) for each in group]
                names.setdefault(permission, []).extend("/" + name.lstrip("/") for name in expanded)
    return names


@pytest.mark.ros
def test_the_policy_grants_exactly_what_the_node_has(graph):
    policy = granted()
    assert all(len(names) == len(set(names)) for names in policy.values())
    assert policy.keys() == graph.keys(), "the node requests no services"
    optional = {"/predictor/get_type_description"} - graph["reply"]  # Jazzy and newer
    for permission, names in policy.items():
        assert set(names) - NOT_ALWAYS.get(permission, set()) - optional == graph[permission]


def test_the_policy_has_the_schemas_structure():
    def check(element):
        attributes, children = SCHEMA[element.tag]
        assert set(element.attrib) <= attributes and {child.tag for child in element} <= children
        if not children:
            assert re.fullmatch(r"(~/|/)?[a-z_]+(/[a-z_]+)*", element.text)
        for child in element:
            check(child)

    root = ElementTree.parse(POLICY).getroot()
    assert root.attrib == {"version": "0.2.0"}
    check(root)


@pytest.mark.ros
def test_the_viewers_show_topics_that_the_node_has(graph):
    topics = graph["publish"] | graph["subscribe"]
    displays = yaml.safe_load((ROOT / "config" / "framepred.rviz").read_text())["Visualization Manager"]["Displays"]
    assert {each["Topic"]["Value"] for each in displays} == {"/image", "/predicted_frame", "/comparison"} <= topics
    panels = json.loads((ROOT / "config" / "framepred_foxglove.json").read_text())["configById"]
    named = re.findall(r'"(/[a-z_/]+)(?:\.data(?:\[\d+\])?)?"', json.dumps(panels))
    assert len(named) >= 8 and set(named) <= topics


def test_every_foxglove_panel_is_laid_out_and_plots_the_field_of_its_label():
    layout = json.loads((ROOT / "config" / "framepred_foxglove.json").read_text())
    placed = re.findall(r'"([A-Za-z]+![a-z]+)"', json.dumps(layout["layout"]))
    assert sorted(placed) == sorted(layout["configById"])
    for panel in layout["configById"].values():
        for path in panel.get("paths", []):
            assert SCORE_FIELDS[int(re.search(r"\[(\d+)\]", path["value"])[1])] == path["label"]
