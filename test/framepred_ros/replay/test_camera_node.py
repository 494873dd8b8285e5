"""The replay camera as a process of its own, over DDS, and the bags it plays."""

import signal
import subprocess
from contextlib import suppress

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_testing import make_picture, node_process, write_bag
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String

from framepred_ros.monitoring.prediction_monitor import MonitorOptions, PredictionMonitor
from framepred_ros.replay.episode_bag import BagFrame, BagInstruction, EpisodeBag, shipped_episode
from framepred_ros.ros.image_messages import rgb_from_image

pytestmark = pytest.mark.ros
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def nanoseconds(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def test_plays_every_frame_at_the_bags_rate_with_fresh_stamps(tester, tmp_path):
    pictures = [make_picture(seed=seed) for seed in range(10)]
    bag = write_bag(tmp_path / "episode", pictures, instruction="stack the blocks", compressed=False)
    frames, instructions = tester.record(Image, "image"), tester.record(String, "instruction", LATCHED)
    earliest = tester.get_clock().now().nanoseconds
    with node_process("replay.camera_node", bag=bag, wait_for_subscribers=1) as camera:
        tester.wait_until(lambda: len(frames) == 10 and instructions, "the whole episode")
        assert camera.wait() == 0, camera.output
    assert [message.data for message in instructions] == ["stack the blocks"]
    for message, picture in zip(frames, pictures, strict=True):
        assert (message.header.frame_id, message.encoding) == ("head_camera", "rgb8")
        np.testing.assert_array_equal(rgb_from_image(message), picture)
    stamps = [nanoseconds(message) for message in frames]
    assert stamps == sorted(stamps) and stamps[0] > earliest
    # A busy machine may delay a frame, never send one early; from first to last there are nine periods.
    assert stamps[-1] - stamps[0] > 8.5 * 0.06e9


def test_a_best_effort_viewer_gets_every_640x480_frame_at_30_hz(tester, tmp_path):
    bag = write_bag(tmp_path / "episode", [make_picture(480, 640, seed) for seed in range(3)] * 20, step=1 / 30)
    frames = tester.record(Image, "image", QoSProfile(depth=60, reliability=ReliabilityPolicy.BEST_EFFORT))
    with node_process("replay.camera_node", bag=bag, wait_for_subscribers=1) as camera:
        assert camera.wait() == 0, camera.output
        tester.wait_until(lambda: len(frames) == 60, "all 60 frames; Fast DDS's default transport loses most of them")


def test_in_simulated_time_pace_and_stamps_are_the_simulations(tester, tmp_path):
    bag = write_bag(tmp_path / "episode", [make_picture(seed=seed) for seed in range(4)], step=10.0)
    frames = tester.record(Image, "image")
    clock = tester.create_publisher(Clock, "/clock", 1)
    with node_process("replay.camera_node", bag=bag, wait_for_subscribers=1, use_sim_time="true") as camera:
        tester.wait_until(lambda: "Waiting for the simulation's time" in camera.output, "the camera waits")
        assert not frames
        seconds = iter(range(100, 10_000))

        def all_there():
            clock.publish(Clock(clock=Time(sec=next(seconds))))
            return len(frames) == 4

        tester.wait_until(all_there, "an episode of 30 simulated seconds, in fewer real ones")
        assert camera.wait() == 0, camera.output
    stamps = [message.header.stamp.sec for message in frames]
    assert stamps[0] >= 100 and all(later - stamp >= 9 for stamp, later in zip(stamps, stamps[1:], strict=False))


def test_loops_until_ctrl_c(tester, tmp_path):
    bag = write_bag(tmp_path / "episode", [make_picture()] * 3)
    frames = tester.record(Image, "image")
    with node_process("replay.camera_node", bag=bag, loop="true", wait_for_subscribers=1) as camera:
        tester.wait_until(lambda: len(frames) > 6, "a third round")
        code, _ = camera.end(signal.SIGINT)
        assert code == 0 and "Traceback" not in camera.output, camera.output


def test_a_monitor_does_not_take_the_beginning_of_a_round_for_the_future_of_the_last_one(tester, tmp_path):
    count, horizon = 12, 0.3
    bag = write_bag(tmp_path / "episode", [make_picture()] * count, step=0.1)
    frames = tester.record(Image, "image", QoSProfile(depth=100))
    with node_process("replay.camera_node", bag=bag, loop="true", wait_for_subscribers=1):
        tester.wait_until(lambda: len(frames) > 2 * count + 6, "a third round")
    stamps = np.array([nanoseconds(message) for message in frames])
    begins = np.flatnonzero(np.diff(stamps) < 0) + 1
    assert begins.tolist() == [count, 2 * count] and (stamps[begins] == stamps[begins - 1] - 1).all()

    monitor = PredictionMonitor(MonitorOptions(horizon, tolerance=0.25, rate=100.0))
    picture, scored = make_picture(), []
    for stamp in stamps.tolist():
        if score := monitor.add_frame(stamp, picture):
            scored.append(score.stamp_ns)
        monitor.add_prediction(stamp, picture, picture)
    ends = stamps[[*(begins - 1), -1]]
    assert scored and all(stamp + horizon * 1e9 <= ends[np.searchsorted(ends, stamp)] for stamp in scored)


def test_ctrl_c_that_arrives_again_and_again_ends_it_cleanly_too(tester, tmp_path):
    """As under `ros2 launch` in a terminal, which passes on the signal that the node already got."""
    bag = write_bag(tmp_path / "episode", [make_picture()] * 3)
    frames = tester.record(Image, "image")
    with node_process("replay.camera_node", bag=bag, loop="true", wait_for_subscribers=1) as camera:
        tester.wait_until(lambda: len(frames) > 3, "a second round")
        while camera.process.poll() is None:
            camera.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                camera.process.wait(0.02)
        assert camera.process.returncode == 0 and "Traceback" not in camera.output, camera.output


@pytest.mark.parametrize(
    "parameters, reason",
    [({"bag": "no/such/bag"}, "no bag at no/such/bag"), ({"task": "juggle"}, "no episode of task 'juggle'")],
)
def test_a_missing_episode_is_one_line(parameters, reason):
    with node_process("replay.camera_node", **parameters) as camera:
        assert camera.wait() == 1
        assert reason in camera.output and len(camera.output.splitlines()) == 1


def test_a_bag_gives_frames_and_instructions_in_time_order(tmp_path):
    picture = make_picture()
    bag = EpisodeBag(write_bag(tmp_path / "episode", [picture] * 3))
    assert (bag.frame_count, bag.image_topic) == (3, "/camera/image_raw/compressed")
    first, *frames = bag.read()
    assert first == BagInstruction(0, "hit the block")
    assert all(isinstance(frame, BagFrame) and frame.frame_id == "head_camera" for frame in frames)
    assert [frame.time for frame in frames] == [0, 60_000_000, 120_000_000]
    assert np.abs(frames[0].rgb.astype(int) - picture).mean() < 5


def test_an_unusable_bag_says_what_it_has(tmp_path):
    bag = write_bag(tmp_path / "episode", [make_picture()])
    with pytest.raises(ValueError, match=r"expected one image topic /depth, the bag has: /camera/image_raw/compressed"):
        EpisodeBag(bag, "/depth")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="cannot be read as a bag"):
        EpisodeBag(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="no episode of task 'juggle'"):
        shipped_episode("juggle")
