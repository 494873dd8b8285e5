"""What lives as long as the node costs it no garbage collections."""

import gc
import weakref

import pytest

from framepred_ros.node.garbage import lasting_objects


class Knot:
    """Refers to itself: only the collector can free it."""

    def __init__(self):
        self.me = self


def test_lasting_objects_are_not_searched_again_and_later_ones_are():
    with lasting_objects():
        assert not gc.isenabled()
        model = [Knot() for _ in range(100)]
        frozen_before = gc.get_freeze_count()
    assert gc.isenabled() and gc.get_freeze_count() >= frozen_before + 100
    assert not any(each is model for each in gc.get_objects())
    garbage = weakref.ref(Knot())
    gc.collect()
    assert garbage() is None
    gc.unfreeze()


def test_a_failed_load_leaves_the_collector_on():
    with pytest.raises(ValueError), lasting_objects():
        raise ValueError
    assert gc.isenabled()
    gc.unfreeze()
