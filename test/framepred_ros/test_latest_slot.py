"""The one-frame slot between the camera's callback and the prediction thread."""

import threading

from framepred_ros.latest_slot import LatestSlot


def test_the_newest_item_replaces_the_one_that_waits():
    slot = LatestSlot()
    assert [slot.put(item) for item in (1, 2, 3)] == [False, True, True]
    assert slot.take() == 3
    assert not slot.put(4)


def test_take_waits_for_an_item():
    slot, taken = LatestSlot(), []
    reader = threading.Thread(target=lambda: taken.append(slot.take()))
    reader.start()
    slot.put("frame")
    reader.join(10)
    assert taken == ["frame"]


def test_closing_wakes_the_reader_and_drops_what_waits():
    slot, taken = LatestSlot(), []
    reader = threading.Thread(target=lambda: taken.append(slot.take()))
    reader.start()
    slot.close()
    reader.join(10)
    slot.put("late")
    assert taken == [None] and slot.take() is None


def test_clear_forgets_the_waiting_item():
    slot = LatestSlot()
    slot.put(1)
    slot.clear()
    assert not slot.put(2)
