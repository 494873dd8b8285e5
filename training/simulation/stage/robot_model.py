"""MJCF of the robot: two six-joint arms with parallel grippers on one base."""

import numpy as np

SIDES = ("left", "right")
ARM_JOINTS = 6
FINGER_OPEN = 0.045  # metres per finger, RoboTwin 1.0's open gripper

BASE_HEIGHT = 0.70
BASE_Y = -0.50
BASE_X = 0.30
UPPER_ARM = 0.38
FOREARM = 0.38
WRIST = 0.07

# Joint angles (radians) from which inverse kinematics starts: elbow up, flange ahead of the shoulder.
REST_JOINTS = {"left": np.array([0.0, -1.8, 2.5, 0.0, -0.7, 0.0]), "right": np.array([0.0, -1.8, 2.5, 0.0, -0.7, 0.0])}


def joint_names(side: str) -> list[str]:
    """Names of the six arm joints of `side`, from shoulder to flange."""
    return [f"{side}_joint{k}" for k in range(1, ARM_JOINTS + 1)]


def finger_joint_names(side: str) -> list[str]:
    """Names of the two finger slides of `side`."""
    return [f"{side}_finger1", f"{side}_finger2"]


def arm_xml(side: str, heavy: bool = False) -> str:
    """One arm as an MJCF body, of slim or of `heavy` parts; these look different and move alike.

    At zero joint angles the arm points along world +y; the flange's +x is the approach axis.
    """
    x = -BASE_X if side == "left" else BASE_X
    half_upper, half_fore = UPPER_ARM / 2, FOREARM / 2
    return f"""
    <body name="{side}_base" pos="{x} {BASE_Y} {BASE_HEIGHT}" quat="0.7071068 0 0 0.7071068" gravcomp="1">
      <geom class="visual" type="cylinder" size="0.055 0.03" pos="0 0 -0.01" material="dark"/>
      <body name="{side}_link1" gravcomp="1">
        <joint name="{side}_joint1" class="arm" axis="0 0 1" range="-2.6 2.6"/>
        <geom class="visual" type="cylinder" size="0.045 0.045" pos="0 0 0.04" material="shell"/>
        <body name="{side}_link2" pos="0 0 0.08" gravcomp="1">
          <joint name="{side}_joint2" class="arm" axis="0 1 0" range="-2.7 1.6"/>
          <geom class="visual" type="cylinder" size="0.042 0.05" zaxis="0 1 0" material="dark"/>
          <geom class="visual" type="box" size="{half_upper} 0.034 0.03" pos="{half_upper} 0 0" material="shell"/>
          <body name="{side}_link3" pos="{UPPER_ARM} 0 0" gravcomp="1">
            <joint name="{side}_joint3" class="arm" axis="0 1 0" range="-0.2 2.9"/>
            <geom class="visual" type="cylinder" size="0.04 0.046" zaxis="0 1 0" material="dark"/>
            {_heavy_forearm_xml(half_fore) if heavy else _slim_forearm_xml(half_fore)}
            <body name="{side}_link4" pos="{FOREARM} 0 0" gravcomp="1">
              <joint name="{side}_joint4" class="wrist" axis="1 0 0" range="-2.9 2.9"/>
              <geom class="visual" type="cylinder" size="0.034 0.018" pos="-0.03 0 0" zaxis="1 0 0" material="dark"/>
              <body name="{side}_link5" gravcomp="1">
                <joint name="{side}_joint5" class="wrist" axis="0 1 0" range="-2.2 2.2"/>
                <geom class="visual" type="cylinder" size="0.031 0.034" zaxis="0 1 0" material="shell"/>
                <body name="{side}_link6" pos="{WRIST} 0 0" gravcomp="1">
                  <joint name="{side}_joint6" class="wrist" axis="1 0 0" range="-3.1 3.1"/>
                  <site name="{side}_flange" size="0.005" group="5"/>
                  {_gripper_xml(side, heavy)}
                </body>
              </body>
            </body>
          </body>
        </body>
      </body>
    </body>"""


def _slim_forearm_xml(half: float) -> str:
    return f"""<geom class="visual" type="capsule" size="0.026 {half - 0.05}" pos="{half - 0.01} 0 0"
                  zaxis="1 0 0" material="shell"/>
            <geom class="visual" type="box" size="0.075 0.005 0.012" pos="{half - 0.03} 0.0245 0"
                  material="accent"/>
            <geom class="visual" type="box" size="0.075 0.005 0.012" pos="{half - 0.03} -0.0245 0"
                  material="accent"/>"""


def _heavy_forearm_xml(half: float) -> str:
    return f"""<geom class="visual" type="box" size="{half - 0.02} 0.030 0.036" pos="{half - 0.01} 0 0"
                  material="shell"/>
            <geom class="visual" type="box" size="0.095 0.032 0.022" pos="{half + 0.005} 0 -0.004"
                  material="accent"/>
            <geom class="visual" type="cylinder" size="0.043 0.034" pos="{2 * half - 0.035} 0 0" zaxis="0 1 0"
                  material="shell"/>"""


def _gripper_xml(side: str, heavy: bool) -> str:
    bar = "0.010 0.088 0.008" if heavy else "0.006 0.058 0.010"
    fingers = "".join(_finger_xml(side, number, sign) for number, sign in ((1, 1), (2, -1)))
    return f"""
                  <geom class="visual" type="cylinder" size="0.029 0.022" pos="-0.022 0 0" zaxis="1 0 0"
                        material="dark"/>
                  <geom class="visual" type="box" size="0.020 0.052 0.020" pos="0.024 0 0" material="dark"/>
                  <geom class="visual" type="box" size="{bar}" pos="0.048 0 0" material="bar"/>
                  {fingers}"""


def _finger_xml(side: str, number: int, sign: int) -> str:
    # The pad's inner face lies on the flange axis when the finger slide is at zero (closed).
    return f"""
                  <body name="{side}_finger{number}_body" pos="0.05 0 0" gravcomp="1">
                    <joint name="{side}_finger{number}" class="finger" axis="0 {sign} 0"/>
                    <geom class="visual" type="box" size="0.026 0.007 0.013" pos="0.024 {sign * 0.0135} 0"
                          material="finger"/>
                    <geom class="visual" type="box" size="0.036 0.0045 0.011" pos="0.066 {sign * 0.0105} 0"
                          material="dark"/>
                    <geom name="{side}_pad{number}" class="pad" size="0.024 0.003 0.011" pos="0.078 {sign * 0.003} 0"/>
                  </body>"""


def actuators_xml(side: str) -> str:
    """Position servos of the six joints and both fingers of one arm (controls in radians and metres)."""
    arm = "".join(
        f'<position name="{name}" joint="{name}" class="{"arm" if k < 3 else "wrist"}"/>'
        for k, name in enumerate(joint_names(side))
    )
    return arm + "".join(f'<position name="{n}" joint="{n}" class="finger"/>' for n in finger_joint_names(side))


DEFAULTS_XML = f"""
    <default class="arm">
      <joint damping="8" armature="0.2"/><position kp="4000" dampratio="1" inheritrange="1"/>
    </default>
    <default class="wrist">
      <joint damping="2" armature="0.05"/><position kp="1200" dampratio="1" inheritrange="1"/>
    </default>
    <default class="finger">
      <joint type="slide" range="0 {FINGER_OPEN}" damping="5" armature="0.05"/>
      <position kp="800" dampratio="1" ctrlrange="-0.01 {FINGER_OPEN}" forcerange="-12 12"/>
    </default>
    <default class="visual"><geom contype="0" conaffinity="0" mass="0.15"/></default>
    <default class="pad">
      <geom type="box" mass="0.02" material="rubber" friction="1.5 0.02 0.0005" condim="4" solref="0.008 1"/>
    </default>"""
