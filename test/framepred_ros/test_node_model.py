"""How the node opens its model."""

import os
import threading

import pytest
import torch

from framepred_ros.node.model import open_predictor


@pytest.mark.parametrize(("cpu_threads", "possible"), [(3, {3}), (0, {1, *range(1, len(os.sched_getaffinity(0)))})])
def test_the_thread_that_opens_the_model_computes_with_as_many_threads_as_asked(tiny_checkpoint, cpu_threads, possible):
    before, seen = torch.get_num_threads(), []

    def work():
        open_predictor(str(tiny_checkpoint), "cpu", "fast", cpu_threads, [None])
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    torch.set_num_threads(before)
    assert len(seen) == 1 and seen[0] in possible
