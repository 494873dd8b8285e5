"""MJCF of a whole scene: table, wall, robot, head camera, lights and a task's objects.

Numbers are RoboTwin 1.0's (envs/base_task.py): world frame x right, y away from the robot, z up, metres.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np

from training.simulation.stage import robot_model
from training.simulation.stage.appearance import Appearance
from training.simulation.stage.textures import Texture, texture_png

TABLE_TOP = 0.74
STEP = 1 / 250  # seconds, RoboTwin's simulation step
CAMERA_WIDTH, CAMERA_HEIGHT = 320, 240
CAMERA_FOVY = Appearance.field_of_view  # degrees
CAMERA_POSITION = np.array([-0.032, -0.45, 1.35])
CAMERA_FORWARD = np.array([0.0, 0.6, -0.8])  # what SAPIEN makes of RoboTwin's unnormalised vector


@dataclass(frozen=True)
class SceneObject:
    """A free body of a task: its MJCF geoms and its pose (position in metres, quaternion w, x, y, z)."""

    name: str
    geoms_xml: str
    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class SceneSpec:
    """What a task adds to the common scene."""

    objects: tuple[SceneObject, ...]
    fixed_xml: str = ""
    materials_xml: str = ""
    appearance: Appearance = field(default_factory=Appearance)
    plain_geometry: bool = False  # coarser round shapes and no floor, which the camera does not see: renders faster


def _vector(values: Sequence[float]) -> str:
    return " ".join(f"{float(v):.6g}" for v in values)


def _camera_xml(look: Appearance) -> str:
    right, forward = np.array([1.0, 0.0, 0.0]), CAMERA_FORWARD
    up = np.cross(right, forward)
    pitch, yaw = look.camera_tilt
    forward = forward + pitch * up + yaw * right
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    position = CAMERA_POSITION + np.asarray(look.camera_offset)
    axes = _vector([*right, *up])
    return f'<camera name="head_camera" pos="{_vector(position)}" xyaxes="{axes}" fovy="{look.field_of_view}"/>'


def _lights_xml(look: Appearance) -> str:
    # One shadow is enough to read heights from, and each further one costs half the frame rate in software rendering.
    direction = np.asarray(look.sun_direction) / np.linalg.norm(look.sun_direction)
    position = np.array([0.0, 0.0, TABLE_TOP]) - 1.9 * direction
    sides = f'castshadow="{_switch(look.side_shadows)}" diffuse="{_vector([look.side_lights] * 3)}"'
    return f"""
    <light pos="{_vector(position)}" dir="{_vector(direction)}" cutoff="32" exponent="1"
           castshadow="{_switch(look.shadows)}" diffuse="{_vector(look.sun * np.asarray(look.sun_tint))}"
           specular="0.25 0.25 0.25"/>
    <light pos="1 0 1.8" dir="-0.6 0 -1" {sides} specular="0.1 0.1 0.1"/>
    <light pos="-1 0 1.8" dir="0.6 0 -1" {sides} specular="0.1 0.1 0.1"/>"""


def _switch(on: bool) -> str:
    return "true" if on else "false"


def _material(
    name: str, colour: Sequence[float], shine: float, glow: float = 0.0, texture: Texture | None = None
) -> str:
    light = f' emission="{glow}"' if glow else ""
    if texture is None:
        return f'<material name="{name}" rgba="{_vector(colour)} 1" specular="{shine}" shininess="{shine}"{light}/>'
    return (
        f'<texture name="{name}" type="2d" file="{name}.png"/><material name="{name}" texture="{name}" '
        f'texuniform="true" texrepeat="{_vector([texture.repeat] * 2)}" specular="{shine}" shininess="{shine}"{light}/>'
    )


def _assets_xml(look: Appearance) -> str:
    return "".join(
        [
            _material("table", look.table, 0.1, look.glow, look.table_texture),
            _material("wall", look.wall, 0.0, look.glow, look.wall_texture),
            _material("shell", look.shell, 0.4, look.glow),
            _material("dark", look.dark, 0.4),
            _material("accent", look.accent, 0.4),
            _material("finger", look.finger or look.shell, 0.4),
            _material("bar", look.bar, 0.8),
            _material("metal", (0.55, 0.56, 0.58), 0.8),
            _material("rubber", (0.08, 0.08, 0.08), 0.05),
            _material("red", (0.9, 0.03, 0.03), 0.2, look.glow),
            _material("black", (0.04, 0.04, 0.04), 0.2, look.glow),
            _material("blue", (0.05, 0.1, 0.9), 0.2, look.glow),
            _material("wood", look.handle, 0.15),
            _material("floor", (0.55, 0.55, 0.57), 0.0),
        ]
    )


GROUND_XML = '<geom name="ground" type="plane" size="4 4 0.1" material="floor"/>'


def scene_xml(spec: SceneSpec) -> str:
    """The scene as MJCF. Every free object gets one inactive weld to each arm's flange, for grasping."""
    look = spec.appearance
    objects = "".join(
        f'<body name="{o.name}" pos="{_vector(o.position)}" quat="{_vector(o.quaternion)}">'
        f'<freejoint name="{o.name}"/>{o.geoms_xml}</body>'
        for o in spec.objects
    )
    welds = "".join(
        f'<weld name="{side}_{o.name}" body1="{side}_link6" body2="{o.name}" active="false"/>'
        for side in robot_model.SIDES
        for o in spec.objects
    )
    return f"""
<mujoco model="framepred">
  <option timestep="{STEP}" integrator="implicitfast" cone="elliptic" impratio="5"/>
  <statistic extent="1" center="0 0 {TABLE_TOP}"/>
  <compiler angle="radian" autolimits="true"/>
  <visual>
    <global offwidth="{CAMERA_WIDTH}" offheight="{CAMERA_HEIGHT}"/>
    <quality shadowsize="512" offsamples="4" numslices="{8 if spec.plain_geometry else 16}"
             numstacks="{4 if spec.plain_geometry else 6}"/>
    <map znear="0.03" zfar="20"/>
    <headlight ambient="{_vector([look.ambient] * 3)}" diffuse="0.08 0.08 0.08" specular="0 0 0"/>
  </visual>
  <default>
    <geom friction="0.8 0.01 0.001" solref="0.008 1"/>{robot_model.DEFAULTS_XML}
  </default>
  <asset>{_assets_xml(look)}{spec.materials_xml}</asset>
  <worldbody>
    {_lights_xml(look)}{_camera_xml(look)}
    {"" if spec.plain_geometry else GROUND_XML}
    <geom name="wall" type="box" size="3 0.05 1.5" pos="0 0.45 1.5" material="wall" contype="0" conaffinity="0"/>
    <geom name="table" type="box" size="0.6 0.35 0.025" pos="0 0 {TABLE_TOP - 0.025}" material="table"
          friction="0.8 0.02 0.001"/>
    <geom name="base" class="visual" type="box" size="0.4 0.1 {robot_model.BASE_HEIGHT / 2}"
          pos="0 {robot_model.BASE_Y} {robot_model.BASE_HEIGHT / 2 - 0.04}" material="dark"/>
    {"".join(robot_model.arm_xml(side, look.heavy_arms) for side in robot_model.SIDES)}
    {spec.fixed_xml}{objects}
  </worldbody>
  <actuator>{"".join(robot_model.actuators_xml(side) for side in robot_model.SIDES)}</actuator>
  <equality>{welds}</equality>
</mujoco>"""


def build_model(spec: SceneSpec) -> mujoco.MjModel:
    """Compile `spec` to a MuJoCo model."""
    look = spec.appearance
    textures = {"table": look.table_texture, "wall": look.wall_texture}
    files = {f"{name}.png": texture_png(texture) for name, texture in textures.items() if texture is not None}
    return mujoco.MjModel.from_xml_string(scene_xml(spec), files)
