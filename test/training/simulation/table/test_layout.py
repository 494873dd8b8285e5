"""What is drawn onto the table: in the picture, apart from each other, and decided by the seed alone."""

import numpy as np
import pytest

from training.simulation.table.layout import Layout, draw_layout
from training.simulation.table.view import in_view

SEEDS = range(60)


@pytest.fixture(scope="module")
def layouts() -> list[Layout]:
    return [draw_layout(seed) for seed in SEEDS]


def test_the_seed_decides_everything(layouts):
    again = draw_layout(7)
    assert repr(again.pads) == repr(layouts[7].pads) and again.box_colour == layouts[7].box_colour
    for colour, pose in layouts[7].blocks.items():
        assert np.array_equal(again.blocks[colour].position, pose.position)
        assert np.array_equal(again.blocks[colour].quaternion, pose.quaternion)
    assert len({tuple(layout.blocks) for layout in layouts}) > len(SEEDS) / 2


def test_things_are_seen_and_stand_apart(layouts):
    for layout in layouts:
        assert 2 <= len(layout.blocks) <= 4 and len(layout.pads) <= 2
        points = [pose.position[:2] for pose in layout.blocks.values()] + list(layout.pads.values())
        assert all(in_view(np.array([*point, 0.765]), 20) for point in points)
        gaps = [np.linalg.norm(a - b) for k, a in enumerate(points) for b in points[:k]]
        assert min(gaps, default=1.0) > 0.1


def test_every_kind_of_thing_is_drawn_at_times(layouts):
    for present in (
        [layout.hammer is not None for layout in layouts],
        [layout.box is not None for layout in layouts],
        [bool(layout.pads) for layout in layouts],
        [bool(layout.starts) for layout in layouts],
    ):
        assert 0.3 < np.mean(present) < 0.95


def test_the_box_has_a_colour_of_its_own(layouts):
    assert all(layout.box_colour not in layout.blocks for layout in layouts)
