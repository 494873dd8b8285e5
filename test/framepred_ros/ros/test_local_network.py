"""Camera frames from another process, with the transport profile, and the variables that carry it."""

import os
import sys

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_testing import Process
from sensor_msgs.msg import Image

from framepred_ros.ros.local_network import (
    PROFILE_VARIABLES,
    drop_deprecated_profile_name,
    local_environment,
    profile_path,
    profile_variables,
)

FRAMES = 30
# A camera of 640x480 at 30 Hz, best effort. It goes on until it is ended.
CAMERA = """
import sys, time
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(Image, "frames", QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT))
while not publisher.get_subscription_count():
    time.sleep(0.05)
for index in range(int(sys.argv[1])):
    message = Image(height=480, width=640, encoding="rgb8", step=1920)
    message.header.stamp.sec = index
    message.data.frombytes(bytes(480 * 1920))
    publisher.publish(message)
    time.sleep(1 / 30)
print("sent", flush=True)
time.sleep(600)
"""


@pytest.mark.ros
def test_large_best_effort_frames_arrive_from_another_process(tester):
    """Without the profile some 5 of 100 do; the name of the variable that is read depends on the distribution."""
    qos = QoSProfile(depth=FRAMES, reliability=ReliabilityPolicy.BEST_EFFORT)
    frames = tester.record(Image, "frames", qos)
    with Process(sys.executable, "-c", CAMERA, str(FRAMES)) as camera:
        tester.wait_until(lambda: "sent" in camera.output, "all frames sent")
        tester.wait_until(lambda: len(frames) > 0.8 * FRAMES, f"most of {FRAMES} frames", deadline=10)


def test_both_names_of_the_variable_are_set(monkeypatch):
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert profile_variables() == dict.fromkeys(PROFILE_VARIABLES, str(profile_path()))
    assert local_environment(1).items() >= profile_variables().items()


@pytest.mark.parametrize("name", PROFILE_VARIABLES)
def test_a_profile_of_the_users_stays_in_force(monkeypatch, name):
    for each in PROFILE_VARIABLES:
        monkeypatch.setenv(each, "")
    monkeypatch.setenv(name, "/own.xml")
    assert profile_variables() == dict.fromkeys(PROFILE_VARIABLES, "/own.xml")
    monkeypatch.setenv(PROFILE_VARIABLES[0], "/new.xml")
    monkeypatch.setenv(PROFILE_VARIABLES[1], "/old.xml")
    assert profile_variables() == dict(zip(PROFILE_VARIABLES, ("/new.xml", "/old.xml"), strict=True))


@pytest.mark.parametrize("package, kept", [("fastdds", PROFILE_VARIABLES[:1]), ("fastrtps", PROFILE_VARIABLES)])
def test_the_deprecated_name_is_dropped_where_the_new_one_is_read(monkeypatch, tmp_path, package, kept):
    index = tmp_path / "share/ament_index/resource_index/package_run_dependencies"
    index.mkdir(parents=True)
    (index / "rmw_fastrtps_shared_cpp").write_text(f"fastcdr;{package};rmw")
    monkeypatch.setenv("AMENT_PREFIX_PATH", "")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    for name in PROFILE_VARIABLES:
        monkeypatch.setenv(name, "/profile.xml")
    drop_deprecated_profile_name()
    assert {name for name in PROFILE_VARIABLES if name in os.environ} == set(kept)
    for name, value in zip(PROFILE_VARIABLES, ("/new.xml", "/old.xml"), strict=True):
        monkeypatch.setenv(name, value)
    drop_deprecated_profile_name()
    assert os.environ[PROFILE_VARIABLES[1]] == "/old.xml", "they are the user's"
