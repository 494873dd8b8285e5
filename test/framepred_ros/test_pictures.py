"""Drawing: sizes, panels, animations."""

import numpy as np
from PIL import Image

from framepred_ros.pictures import compose_row, panel_labels, resize_frame, save_gif, stack_rows


def test_resize_averages_on_the_way_down():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::2] = 200
    assert np.array_equal(resize_frame(stripes, (32, 32)), np.full((32, 32, 3), 100, np.uint8))


def test_panels_stand_side_by_side_and_rows_below_each_other():
    panels = tuple(np.full((40, 60, 3), level, np.uint8) for level in (10, 120, 240))
    row = compose_row(panels, panel_labels(50, None))
    pixels = np.asarray(row)
    assert [tuple(pixels[-1, left]) for left in (30, 94, 158)] == [(10,) * 3, (120,) * 3, (240,) * 3]
    sheet = stack_rows([row, row])
    assert sheet.width == row.width and (np.asarray(sheet)[-row.height :] == pixels).all()


def test_a_horizon_is_named_in_steps_seconds_or_both():
    assert panel_labels(50, None)[1] == "predicted 50 steps ahead"
    assert panel_labels(None, 1.25)[2] == "camera 1.25 s later"
    assert panel_labels(50, 2.5)[1] == "predicted 50 steps (2.5 s) ahead"


def test_an_animation_keeps_its_speed_and_still_pixels(tmp_path):
    pictures = [Image.new("RGB", (32, 16), (200, 10, 10)) for _ in range(3)]
    for number, picture in enumerate(pictures):
        picture.putpixel((number, 0), (0, 0, 255))
    save_gif(tmp_path / "a.gif", pictures, 0.2, colors=16)
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.n_frames == 3 and animation.info["duration"] == 200
        animation.seek(2)
        assert animation.convert("RGB").getpixel((20, 10)) == (200, 10, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]
