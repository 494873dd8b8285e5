"""How the node opens its model."""

import os
import sys
import threading

import cv2
import pytest
import torch

from framepred_ros.node.model import open_predictor


@pytest.mark.parametrize(("cpu_threads", "possible"), [(3, {3}), (0, {1, *range(1, len(os.sched_getaffinity(0)))})])
def test_the_thread_that_opens_the_model_computes_with_as_many_threads_as_asked(tiny_checkpoint, cpu_threads, possible):
    before, seen = (torch.get_num_threads(), cv2.getNumThreads()), []

    def work():
        open_predictor(str(tiny_checkpoint), "cpu", "fast", cpu_threads, 0, [None])
        seen.extend((torch.get_num_threads(), cv2.getNumThreads()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])
    assert len(seen) == 2 and seen[0] == seen[1] and seen[0] in possible


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
@pytest.mark.parametrize(("niceness", "expected"), [(0, 0), (7, 7), (19, 19)])
def test_the_models_thread_gives_way_to_the_others(tiny_checkpoint, niceness, expected):
    base, seen = os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), []

    def work():
        open_predictor(str(tiny_checkpoint), "cpu", "fast", 1, niceness, [None])
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [min(19, base + expected)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == base
