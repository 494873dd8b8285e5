"""What the node says about itself on /diagnostics."""

import os
from dataclasses import replace

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from ros_testing import INSTRUCTION, Camera, make_header, make_picture, node_process, predictor_node_here
from std_srvs.srv import SetBool

from framepred_ros.node.camera_monitor import MonitorHealth
from framepred_ros.node.diagnostics import CameraHealth, NodeHealth, camera_status, node_status
from framepred_ros.node.statistics import Drop, Summary
from framepred_ros.ros.image_messages import image_from_rgb

GOOD_SUMMARY = Summary(30.0, 9.0, 0.03, 0.1, 0.12, {Drop.SUPERSEDED: 200}, {Drop.SUPERSEDED: ""})
GOOD_CAMERA = CameraHealth("/image", "go", GOOD_SUMMARY, None)
GOOD_NODE = NodeHealth("active", "", False, "cpu", "fast", "the shipped one", 3.0)
OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE


def camera(recent=None, **changes):
    monitor = changes.pop("monitor", None)
    instruction = changes.pop("instruction", "go")
    max_rate = changes.pop("max_rate", 0.0)
    summary = replace(GOOD_SUMMARY, recent=recent or {}, **changes)
    return CameraHealth("/image", instruction, summary, monitor, max_rate)


@pytest.mark.parametrize(
    "health, level, message",
    [
        (GOOD_CAMERA, OK, "predicting at 9.0 Hz"),
        (camera(age=None), STALE, "no frame from /image yet"),
        (camera(age=3.0), STALE, "no frame from /image for 3.0 s"),
        (camera({Drop.FAILED: "out of memory"}), ERROR, "predictions fail: out of memory"),
        (camera({Drop.UNUSABLE: "step is 5"}), WARN, "frames are dropped, unusable message: step is 5"),
        (camera({Drop.REFUSED: "too small"}), WARN, "frames are dropped, refused by the model: too small"),
        (camera(instruction=""), WARN, "waiting for an instruction"),
        (camera({Drop.PAUSED: ""}), OK, "paused"),
        (camera({Drop.UNPUBLISHED: "no stamp"}), ERROR, "predictions cannot be published: no stamp"),
        (camera({Drop.NOT_WATCHED: ""}, output_rate=0.0), OK, "nobody subscribes to a prediction"),
        (camera(output_rate=0.0), WARN, "frames come in, but no prediction has been made from them"),
        (camera(output_rate=0.0, max_rate=0.01), OK, "held back by max_rate, 0.01 Hz"),
        (camera(monitor=MonitorHealth({}, "it goes wrong")), WARN, "it goes wrong"),
    ],
)
def test_a_cameras_level_is_that_of_its_worst_trouble(health, level, message):
    status = camera_status("predictor: camera", "cpu", health)
    assert (status.level, status.message, status.hardware_id) == (level, message, "cpu")


def test_a_camera_reports_its_figures():
    health = replace(GOOD_CAMERA, monitor=MonitorHealth({"monitor state": "ok"}, ""))
    values = {pair.key: pair.value for pair in camera_status("", "", health).values}
    assert values["input rate (Hz)"] == "30.0" and values["output rate (Hz)"] == "9.0"
    assert values["latency median (ms)"] == "100" and values["latency p95 (ms)"] == "120"
    assert values["dropped, a newer frame came first"] == "200" and values["dropped, prediction failed"] == "0"
    assert values["monitor state"] == "ok"


@pytest.mark.parametrize(
    "changes, level, message",
    [
        ({}, OK, "active"),
        ({"state": "inactive"}, OK, "inactive"),
        ({"paused": True}, OK, "paused"),
        ({"namesakes": ["7 on arm"], "failure": "no such checkpoint"}, ERROR, "no such checkpoint"),
    ],
)
def test_the_nodes_level(changes, level, message):
    status = node_status("predictor", replace(GOOD_NODE, **changes))
    assert (status.level, status.message) == (level, message)
    values = {pair.key: pair.value for pair in status.values}
    assert values["horizon (s)"] == "3.00" and int(values["memory RSS (MiB)"]) > 1


@pytest.mark.ros
def test_the_live_node_reports_once_a_second_in_every_state(tester, tiny_checkpoint):
    arrays = tester.record(DiagnosticArray, "/diagnostics")

    def wait_for(message, level, camera=False):
        def found():
            statuses = arrays[-1].status if arrays else []
            return [each for each in statuses if each.name.endswith("camera") == camera and message in each.message]

        tester.wait_until(found, f"status '{message}'")
        assert found()[0].level == level
        return {pair.key: pair.value for pair in found()[0].values}

    with predictor_node_here(checkpoint="nowhere", instruction=INSTRUCTION):
        wait_for("nowhere", ERROR)
        assert tester.set_parameter("predictor", "checkpoint", str(tiny_checkpoint)).successful
        assert tester.change_state("predictor", "configure")
        assert wait_for("inactive", OK)["checkpoint"] == str(tiny_checkpoint)
        camera = Camera(tester)
        assert tester.change_state("predictor", "activate")
        wait_for("no frame from /image yet", STALE, camera=True)
        camera.wait_for_node()
        camera.predict(make_picture())
        values = wait_for("predicting at", OK, camera=True)
        assert values["instruction"] == INSTRUCTION and float(values["latency median (ms)"]) > 0
        message = image_from_rgb(make_picture(), make_header(0))
        message.encoding = "nonsense"
        camera.send(message)
        wait_for("encoding 'nonsense'", WARN, camera=True)
        tester.call(SetBool, "predictor/pause", SetBool.Request(data=True))
        wait_for("paused", OK)
        stamps = [each.header.stamp.sec + each.header.stamp.nanosec / 1e9 for each in arrays]
        assert len(stamps) > 4 and stamps == sorted(stamps)
        assert 0.5 < (stamps[-1] - stamps[0]) / (len(stamps) - 1) < 2


@pytest.mark.ros
def test_two_nodes_of_one_name_are_told_of_each_other(tester):
    arrays = tester.record(DiagnosticArray, "/diagnostics")

    def last(process):
        """The latest status that a process of that number published."""
        statuses = [each.status[0] for each in arrays if each.status[0].name == "/predictor"]
        own = [each for each in statuses if f"{process} on " in {p.key: p.value for p in each.values}["process"]]
        return own[-1] if own else None

    with predictor_node_here(autostart=False) as here, node_process("predictor_node", autostart="false") as other:
        pids = os.getpid(), other.process.pid
        for one, another in (pids, pids[::-1]):
            warned = lambda one=one: last(one) and last(one).level == WARN  # noqa: E731
            tester.wait_until(warned, f"{one} is told of {another}")
            assert f"another node is named /predictor, too: process {another} on " in last(one).message
        other.end()
        tester.wait_until(lambda: last(pids[0]).level == OK, "the other is gone")
        assert here._namesakes.look() == []


@pytest.mark.ros
def test_it_reports_although_a_simulations_clock_never_starts(tester, tiny_checkpoint):
    arrays = tester.record(DiagnosticArray, "/diagnostics")
    with predictor_node_here("-r", "__ns:=/simulated", checkpoint=tiny_checkpoint, use_sim_time=True):

        def messages():
            found = [each.status[0] for each in arrays if each.status[0].name == "/simulated/predictor"]
            return [status.message for status in found]

        tester.wait_until(lambda: "active" in messages() and len(messages()) > 1, "it starts and goes on reporting")
