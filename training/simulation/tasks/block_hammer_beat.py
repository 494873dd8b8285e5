"""block_hammer_beat: take the hammer and beat the red block with it (RoboTwin 1.0: envs/block_hammer_beat.py)."""

import numpy as np

from training.simulation.stage.appearance import Appearance
from training.simulation.stage.poses import Pose, yaw
from training.simulation.stage.robot_model import FINGER_OPEN
from training.simulation.stage.scene import SceneObject, SceneSpec
from training.simulation.stage.world import World
from training.simulation.tasks.base import GRIPPER_DOWN, Task

HAMMER_POSITION = np.array([0.0, -0.06, 0.783])  # middle of the handle
HEAD_OFFSET = np.array([0.0, 0.075, 0.0])  # from there to the head
HEAD_HALF_HEIGHT = 0.043
GRIP_OFFSET = np.array([0.0, -0.05, 0.0])  # from there to where the fingers close
PRE_GRASP, GRASP = 0.22, 0.13  # metres from flange to grasp point, RoboTwin 1.0
CLOSED = 0.008

HAMMER_GEOMS = f"""
  <geom name="handle" type="capsule" size="0.0115 0.075" pos="0 -0.012 0" zaxis="0 1 0" material="wood"
        mass="0.015"/>
  <geom name="head" type="cylinder" size="0.0155 {HEAD_HALF_HEIGHT - 0.008}" pos="0 {HEAD_OFFSET[1]} 0"
        material="metal" mass="0.12"/>
  <geom name="face" type="cylinder" size="0.0185 0.008" pos="0 {HEAD_OFFSET[1]} {-HEAD_HALF_HEIGHT + 0.008}"
        material="metal" mass="0.06"/>
  <geom name="peen" type="cylinder" size="0.0175 0.006" pos="0 {HEAD_OFFSET[1]} {HEAD_HALF_HEIGHT - 0.006}"
        material="dark" mass="0.01"/>"""


class BlockHammerBeat(Task):
    """Success: hammer face within 0.02 m of the block's centre in x and y, at 0.78 < z < 0.81."""

    name = "block_hammer_beat"
    target = "block"
    initial_opening = 0.0
    seconds_per_metre = 4.6
    shortest_motion = 1.6

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(rng)
        x = 0.0
        while abs(x) < 0.05:
            x = rng.uniform(-0.25, 0.25)
        y = rng.uniform(-0.05, 0.15)
        if abs(x) < 0.15 and y > 0:  # RoboTwin's rand_pose with ylim_prop
            y = rng.uniform(-0.05, 0.0)
        self.block = Pose(np.array([x, y, 0.766]), yaw(rng.uniform(-1.0, 1.0)))
        self.arm = "right" if x > 0 else "left"

    def scene(self, appearance: Appearance) -> SceneSpec:
        hammer = SceneObject("hammer", HAMMER_GEOMS, tuple(HAMMER_POSITION))
        block = SceneObject(
            "block",
            '<geom name="block" type="box" size="0.025 0.025 0.025" material="red" mass="0.05"/>',
            tuple(self.block.position),
            tuple(self.block.quaternion),
        )
        return SceneSpec(objects=(hammer, block), appearance=appearance)

    def slots(self) -> dict[str, str]:
        return {"arm": f"the {self.arm} arm"}

    def play(self, world: World) -> None:
        world.grip({self.arm: FINGER_OPEN})
        grasp_point = world.body_pose("hammer").position + GRIP_OFFSET
        self._go(world, **{self.arm: self._above(grasp_point, PRE_GRASP)})
        self._go(world, **{self.arm: self._above(grasp_point, GRASP)})
        world.grip({self.arm: CLOSED}, holds={self.arm: "hammer"})
        self._go(world, **{self.arm: world.flange(self.arm).moved((0, 0, 0.07))})
        flange = world.flange(self.arm)
        self._go(world, **{self.arm: flange.moved(self._goal(world) - self._face(world))})
        self._go(world, **{self.arm: world.flange(self.arm).moved((0, 0, -0.06))})
        world.hold(60)

    def succeeded(self, world: World) -> bool:
        face, block = self._face(world), world.body_pose("block").position
        return bool(np.abs(face - block)[:2].max() < 0.02 and 0.78 < face[2] < 0.81)

    @staticmethod
    def _above(point: np.ndarray, distance: float) -> Pose:
        return Pose.of(point + [0, 0, distance], GRIPPER_DOWN)

    @staticmethod
    def _face(world: World) -> np.ndarray:
        """Middle of the striking face, metres."""
        hammer = world.body_pose("hammer")
        return hammer.position + hammer.rotation.apply(HEAD_OFFSET - [0, 0, HEAD_HALF_HEIGHT])

    @staticmethod
    def _goal(world: World) -> np.ndarray:
        """The face is brought 0.08 m above the block's centre before the blow."""
        return world.body_pose("block").position + [0, 0, 0.08]
