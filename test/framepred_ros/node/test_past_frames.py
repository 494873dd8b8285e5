"""What is kept of a camera's past, for how long, and what of it is decoded."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ros_testing import make_header, make_picture
from sensor_msgs.msg import CompressedImage

from framepred_ros.node.newest_frames import Frame
from framepred_ros.node.past_frames import PastFrames
from framepred_ros.pictures import resize_frame
from framepred_ros.ros.image_messages import image_from_rgb, rgb_from_compressed_image, rgb_from_image

STEP = 60_000_000  # nanoseconds
HISTORY, SIZE = (10, 25, 50), (64, 64)


class Camera:
    """Makes frames, and counts which of them are decoded."""

    def __init__(self, compressed=False):
        self.compressed, self.decoded = compressed, []

    def frame(self, stamp, picture=None):
        picture = make_picture(seed=stamp // STEP % 1000) if picture is None else picture
        if self.compressed:
            data = cv2.imencode(".png", picture[..., ::-1])[1]
            message = CompressedImage(header=make_header(0), format="png", data=data.tobytes())
        else:
            message = image_from_rgb(picture, make_header(0))
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        decode = rgb_from_compressed_image if self.compressed else rgb_from_image

        def counting(message):
            self.decoded.append(stamp)
            return decode(message)

        return Frame(None, message, counting)


def make_past(**changed):
    return PastFrames(**({"history": HISTORY, "step_duration": STEP / 1e9, "size": SIZE} | changed))


def play(past, camera, stamps, wanted=True):
    """Let frames arrive; return the last one."""
    for stamp in stamps:
        frame = camera.frame(stamp)
        past.add(frame, wanted)
    return frame


def steps(count, start=0):
    return [(start + index) * STEP for index in range(count)]


def test_frames_come_back_at_the_models_size_by_how_many_steps_ago_they_were_seen():
    past, camera = make_past(), Camera()
    frame = play(past, camera, steps(60))
    found = past.before(frame)
    assert list(found) == [10, 25, 50]
    for ago, picture in found.items():
        np.testing.assert_array_equal(picture, resize_frame(make_picture(seed=59 - ago), SIZE))
    assert len(past) <= 50 + 3


def test_it_begins_with_what_there_is():
    past, camera = make_past(), Camera()
    known = [len(past.before(play(past, camera, [stamp]))) for stamp in steps(51)]
    assert known == [0] * 10 + [1] * 15 + [2] * 25 + [3]


@settings(deadline=None, max_examples=25)
@given(period=st.integers(STEP // 20, STEP // 2), start=st.integers(0, STEP))
def test_of_a_fast_camera_two_frames_per_step_are_enough_to_find_one_within_half_a_step(period, start):
    past, camera = make_past(history=(3, 8)), Camera()
    picture = make_picture()
    for index in range(14 * STEP // period):
        frame = camera.frame(start + index * period, picture)
        past.add(frame, wanted=True)
        assert len(past) <= 2 * (8 + 2) + 1
    assert list(past.before(frame)) == [3, 8]
    for ago in (3, 8):
        nearest = past._nearest(past._kept, frame.stamp_ns - ago * STEP)
        assert abs(nearest.stamp_ns - (frame.stamp_ns - ago * STEP)) <= STEP / 2


def test_a_slow_camera_has_no_past_that_lies_at_other_moments():
    past, camera = make_past(), Camera()
    assert past.before(play(past, camera, range(0, 60 * STEP, 7 * STEP))) == {}


def test_the_far_past_is_not_given_without_the_near_one():
    past, camera = make_past(), Camera()
    frame = play(past, camera, [stamp for stamp in steps(60) if abs(stamp - 49 * STEP) > STEP])
    assert past.before(frame) == {}
    frame = play(past, camera, steps(15, 60))
    assert list(past.before(frame)) == [10], "the frame 25 steps ago is missing, the one 50 steps ago is there"


@pytest.mark.parametrize("start", [0, 200 * STEP], ids=["the clock goes back", "a gap"])
def test_a_jump_ends_the_past(start):
    past, camera = make_past(), Camera()
    play(past, camera, steps(60, 100))
    assert past.before(play(past, camera, [start])) == {} and len(past) == 1


def test_a_lost_frame_is_no_gap():
    past, camera = make_past(), Camera()
    frame = play(past, camera, [stamp for stamp in steps(60) if not 55 * STEP <= stamp < 58 * STEP])
    assert len(past.before(frame)) == 3


@pytest.mark.parametrize("compressed", [False, True])
def test_another_size_ends_the_past(compressed):
    past, camera = make_past(), Camera(compressed)
    play(past, camera, steps(60))
    frame = camera.frame(60 * STEP, make_picture(120, 160))
    past.add(frame, wanted=True)
    assert past.before(frame) == {}
    assert past.before(play(past, camera, [61 * STEP])) == {}, "nor does the first size come back with its past"


def test_a_frame_that_cannot_be_used_is_no_past():
    past, camera = make_past(), Camera()
    for stamp in steps(60):
        frame = camera.frame(stamp)
        if stamp == 49 * STEP:
            frame.message.step = 5
        past.add(frame, wanted=True)
    assert past.before(frame) == {}


def test_nothing_is_decoded_when_a_frame_arrives_and_nothing_twice():
    past, camera = make_past(), Camera()
    play(past, camera, steps(59))
    assert camera.decoded == []
    frame = play(past, camera, [59 * STEP])
    for _ in range(2):
        past.before(frame)
    assert sorted(camera.decoded) == sorted(set(camera.decoded)), "raw ones are smaller once they are shrunk"
    assert all(each._frame is None for each in past._kept)


def test_compressed_frames_are_decoded_only_if_they_are_needed():
    past, camera = make_past(size=(240, 320)), Camera(compressed=True)
    frame = play(past, camera, steps(60))
    past.before(frame)
    assert sorted(camera.decoded) == [9 * STEP, 34 * STEP, 49 * STEP, 59 * STEP]


def test_while_no_prediction_is_wanted_nothing_is_kept_and_what_there_was_expires():
    past, camera = make_past(), Camera()
    play(past, camera, steps(60))
    play(past, camera, steps(20, 60), wanted=False)
    assert 0 < len(past) < 40
    play(past, camera, steps(40, 80), wanted=False)
    assert len(past) == 0 and camera.decoded == []
    past.add(camera.frame(120 * STEP), wanted=True)
    past.clear()
    assert len(past) == 0


def test_a_frame_has_no_past_that_came_after_it():
    past, camera = make_past(), Camera()
    old = play(past, camera, steps(5, 1000))
    play(past, camera, steps(996))  # the clock has gone back, and comes near again
    assert past.before(old) == {}
