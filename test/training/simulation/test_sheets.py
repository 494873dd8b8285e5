"""Pictures of scenes with their twins and of the looks."""

import numpy as np
from PIL import Image
from scene_files import TASK, write_scenes

from training.simulation import contact_sheet, look_sheet


def test_a_row_for_each_start_and_each_branch(tmp_path):
    folder = write_scenes(tmp_path, 3, branch_frame=3) / f"{TASK}_D435_pkl"
    tile = contact_sheet.WIDTH, contact_sheet.HEIGHT + contact_sheet.CAPTION
    assert contact_sheet.contact_sheet(folder, 2, branches=False, ahead=8).size == (5 * tile[0], 2 * tile[1])
    sheet = contact_sheet.contact_sheet(folder, 2, ahead=8)
    assert sheet.size == (5 * tile[0], 4 * tile[1])
    now, left, right = (np.asarray(sheet)[: contact_sheet.HEIGHT, k * tile[0] : (k + 1) * tile[0]] for k in range(3))
    assert (now != left).any() and (left != right).any(), "the twins' futures differ"
    branched = np.asarray(sheet)[tile[1] : 2 * tile[1]]
    assert (branched[:, 3 * tile[0] :] == 255).all(), "moment, going on and one turn: no fourth picture"


def test_unfinished_episodes_are_an_error_that_says_so(tmp_path, capsys):
    assert contact_sheet.main([str(tmp_path), "--out", str(tmp_path / "sheet.png")]) == 1
    assert "scene_info.json is not there; let training.simulate finish" in capsys.readouterr().err
    assert not (tmp_path / "sheet.png").exists()


def test_an_ending_that_is_no_picture_is_refused(tmp_path, capsys):
    root = write_scenes(tmp_path, 1)
    (root / f"{TASK}_D435_pkl").rename(root / "table_scenes_D435_pkl")
    assert contact_sheet.main([str(root), "--ahead", "8", "--out", str(tmp_path / "new" / "sheet.nothing")]) == 1
    assert "sheet.nothing: unknown file extension" in capsys.readouterr().err
    assert contact_sheet.main([str(root), "--ahead", "8", "--out", str(tmp_path / "new" / "sheet.jpg")]) == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sheet.jpg"]


def test_every_look_of_a_scene_in_a_row(opengl, tmp_path):
    assert look_sheet.main(["--scenes", "1", "--first-seed", "4", "--out", str(tmp_path / "looks.png")]) == 0
    sheet = np.asarray(Image.open(tmp_path / "looks.png"))
    height, width = look_sheet.SIZE
    plain, random, robotwin = (sheet[-height:, k * (width + 4) : k * (width + 4) + width] for k in range(3))
    assert robotwin.mean() > plain.mean() and np.abs(random.astype(int) - plain).mean() > 10
