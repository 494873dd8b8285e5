"""The newest frames between the cameras' callbacks and the prediction thread."""

import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from framepred_ros.node.newest_frames import Frame, NewestFrames


def make_frame(camera=""):
    return Frame(SimpleNamespace(name=camera), message=None, decode=None)


def in_background(function):
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_the_newest_frame_replaces_the_one_that_waits():
    frames, newest = NewestFrames(), make_frame()
    assert [frames.put(frame) for frame in (make_frame(), make_frame(), newest)] == [False, True, True]
    assert frames.take().frames == [newest]
    assert not frames.put(make_frame()), "nothing waits any more"


def test_a_batch_holds_the_newest_frame_of_each_camera_that_has_a_new_one():
    frames, left, right = NewestFrames(), make_frame("left"), make_frame("right")
    for frame in (make_frame("right"), left, right):
        frames.put(frame)
    assert frames.take().frames == [left, right]
    frames.put(left)
    assert frames.take().frames == [left]


def test_an_unwanted_frame_is_not_predicted_from_and_neither_is_the_one_it_replaces():
    frames, right = NewestFrames(), make_frame("right")
    frames.put(make_frame("left"))
    assert frames.put(make_frame("left"), wanted=False)
    frames.put(right)
    assert frames.take().frames == [right]


def test_a_request_takes_every_cameras_newest_frame_wanted_or_not_and_at_once():
    frames, left, right = NewestFrames(), make_frame("left"), make_frame("right")
    frames.put(left)
    frames.put(right, wanted=False)
    answer = frames.request()
    batch = frames.take(lambda: float("inf"))
    assert (batch.frames, batch.requests) == ([left, right], [answer])
    frames.put(right)
    assert frames.take().frames == [right], "the other one has been taken and does not come twice"


def test_a_request_without_a_frame_is_refused():
    with pytest.raises(LookupError, match="no frame"):
        NewestFrames().request()


def test_frames_keep_waiting_and_give_way_until_they_may_be_taken():
    frames, newest, taken = NewestFrames(), make_frame(), []
    frames.put(make_frame())
    earliest = time.monotonic() + 0.2
    reader = in_background(lambda: taken.append(frames.take(lambda: earliest)))
    assert frames.put(newest)
    reader.join(10)
    assert taken[0].frames == [newest]


def test_a_wait_that_becomes_shorter_meanwhile_ends():
    frames, taken, asked = NewestFrames(), [], threading.Event()
    earliest = [time.monotonic() + 1000]

    def not_before():
        asked.set()
        return earliest[0]

    frames.put(make_frame())
    reader = in_background(lambda: taken.append(frames.take(not_before)))
    assert asked.wait(10)
    earliest[0] = 0.0
    reader.join(10)
    assert len(taken) == 1


def test_take_waits_for_a_frame():
    frames, frame, taken = NewestFrames(), make_frame(), []
    reader = in_background(lambda: taken.append(frames.take()))
    frames.put(frame)
    reader.join(10)
    assert taken[0].frames == [frame]


def test_forgetting_drops_frames_and_cancels_requests():
    frames = NewestFrames()
    frames.put(make_frame())
    answer = frames.request()
    frames.clear()
    with pytest.raises(CancelledError):
        answer.result(0)
    with pytest.raises(LookupError):
        frames.request()
    assert not frames.put(make_frame())


def test_closing_wakes_the_reader_for_good():
    frames, taken = NewestFrames(), []
    reader = in_background(lambda: taken.append(frames.take()))
    frames.close()
    reader.join(10)
    frames.put(make_frame())
    assert taken == [None] and frames.take() is None


def test_a_frame_is_decoded_once_however_many_threads_ask_for_its_picture():
    together, calls = threading.Barrier(4, timeout=10), []

    def decode(message):
        calls.append(message)
        time.sleep(0.05)  # so that the others ask meanwhile
        return np.zeros((64, 64, 3), np.uint8)

    def ask(_):
        together.wait()
        return frame.rgb

    frame = Frame(SimpleNamespace(name=""), "message", decode)
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(ask, range(4)))
    assert calls == ["message"] and all(picture is pictures[0] for picture in pictures)


def test_frames_are_decoded_beside_each_other():
    both = threading.Barrier(2, timeout=10)  # breaks, if one waits for the other
    frames = [Frame(SimpleNamespace(name=name), None, lambda _: both.wait()) for name in ("left", "right")]
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lambda frame: frame.rgb, frames)) == [0, 1]
