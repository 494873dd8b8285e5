"""Looks change what is seen, never what is there; every named colour stays visible in each of them."""

import mujoco
import numpy as np
import pytest

from training.simulation.scene_writer import scene_appearance
from training.simulation.stage.appearance import LOOKS, ROBOTWIN, Appearance, draw_appearance, random_appearance
from training.simulation.stage.camera import HeadCamera, calibration
from training.simulation.stage.scene import SceneSpec, build_model
from training.simulation.stage.textures import KINDS, SIZE, Texture, texture_png
from training.simulation.table.layout import draw_layout


def looks(look: str, count: int) -> list[Appearance]:
    return [draw_appearance(look, np.random.default_rng(seed)) for seed in range(count)]


def test_the_plain_look_draws_nothing():
    rng = np.random.default_rng(5)
    assert draw_appearance("plain", rng) == Appearance()
    assert rng.random() == np.random.default_rng(5).random()


def test_the_same_seed_has_the_same_look_and_others_have_others():
    assert looks("random", 3) == looks("random", 3)
    drawn = looks("random", 40)
    assert len(set(drawn)) == 40 and {look.look for look in drawn} == {"random"}
    assert {look.shadows for look in drawn} == {look.heavy_arms for look in drawn} == {True, False}
    kinds = {None if look.table_texture is None else look.table_texture.kind for look in drawn}
    assert kinds == {None, *KINDS}
    assert set(looks("robotwin", 3)) == {ROBOTWIN}


def test_a_mixture_has_each_look_about_as_often():
    drawn = [look.look for look in looks("mixed", 300)]
    assert set(drawn) == set(LOOKS) - {"mixed"}
    assert all(70 < drawn.count(look) < 130 for look in set(drawn))


@pytest.mark.parametrize("look", [ROBOTWIN, *looks("random", 4)], ids=lambda look: look.look)
def test_a_look_changes_no_motion(look):
    spec = draw_layout(8).spec
    plain, other = build_model(spec(Appearance())), build_model(spec(look))
    assert (other.nq, other.nv, other.nu, other.neq) == (plain.nq, plain.nv, plain.nu, plain.neq)
    names = [plain.body(k).name for k in range(plain.nbody)]
    assert names == [other.body(k).name for k in range(other.nbody)]
    assert np.allclose(plain.body_mass, other.body_mass)
    for joint in ("left_joint1", "right_finger2"):
        assert np.array_equal(plain.joint(joint).range, other.joint(joint).range)


def test_the_camera_moves_and_its_matrices_follow():
    for seed in range(20):
        look = random_appearance(np.random.default_rng(seed))
        model = build_model(SceneSpec(objects=(), appearance=look))
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        matrices = calibration(data)
        moved = np.linalg.norm(matrices["cam2world_gl"][:3, 3] - [-0.032, -0.45, 1.35])
        assert 0 < moved < 0.07
        focal = 120 / np.tan(np.radians(look.field_of_view) / 2)
        assert matrices["intrinsic_cv"][0, 0] == pytest.approx(focal) and 320 < focal < 388


@pytest.mark.parametrize("kind", KINDS)
def test_textures_are_drawn_from_their_seed(kind):
    texture = Texture(kind, (0.9, 0.1, 0.1), (0.1, 0.1, 0.9), 1.0, 3)
    png = texture_png(texture)
    assert png == texture_png(texture) != texture_png(Texture(kind, (0.9, 0.1, 0.1), (0.1, 0.1, 0.9), 1.0, 4))
    pixels = mujoco_texture(png)
    assert pixels.shape == (SIZE, SIZE, 3) and pixels[..., 1].max() < 40 and pixels[..., 0].std() > 10


def mujoco_texture(png: bytes) -> np.ndarray:
    """The pixels as MuJoCo reads them."""
    xml = '<mujoco><asset><texture name="t" type="2d" file="t.png"/></asset></mujoco>'
    model = mujoco.MjModel.from_xml_string(xml, {"t.png": png})
    return model.tex_data.reshape(int(model.tex_height[0]), int(model.tex_width[0]), -1)


@pytest.mark.parametrize("look", ["plain", "random", "robotwin"])
def test_every_named_thing_stands_out_from_the_table(opengl, look):
    for seed in range(3):
        model = build_model(draw_layout(seed).spec(scene_appearance(seed, look)))
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        camera = HeadCamera(model)
        picture, things = camera.frame(data).astype(float), seen_geoms(camera, data)
        camera.close()
        table = np.median(picture[things == model.geom("table").id], axis=0)
        for name in [model.geom(k).name for k in range(model.ngeom)]:
            if name.endswith(("_block", "_pad")):
                pixels = picture[things == model.geom(name).id]
                assert len(pixels) > 200, f"scene {seed}: {name} is hardly seen"
                assert np.abs(pixels.mean(0) - table).max() > 50, f"scene {seed}: {name} looks like the table"


def seen_geoms(camera: HeadCamera, data: mujoco.MjData) -> np.ndarray:
    """Which geom each pixel (240, 320) shows."""
    renderer = camera._renderer
    renderer.enable_segmentation_rendering()
    shown = renderer.render()[..., 0]
    renderer.disable_segmentation_rendering()
    return shown
