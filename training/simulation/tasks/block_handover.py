"""block_handover: pass the red block from the left hand to the right and set it on the pad.

After RoboTwin 1.0: envs/block_handover.py.
"""

import numpy as np

from training.simulation.stage.appearance import Appearance
from training.simulation.stage.poses import Pose
from training.simulation.stage.robot_model import FINGER_OPEN
from training.simulation.stage.scene import TABLE_TOP, SceneObject, SceneSpec
from training.simulation.stage.world import World
from training.simulation.tasks.base import Task

BOX_HALF = np.array([0.03, 0.03, 0.1])
BOX_ORIENTATION = (-0.906, 0, 0, -0.424)  # yaw 50 degrees
PAD = np.array([0.23, 0.09, TABLE_TOP])
CLOSED = 0.026
POINTING_RIGHT, POINTING_LEFT, POINTING_AHEAD = (1, 0, 0, 0), (0, 0, 0, 1), (0.707, 0, 0, 0.707)


class BlockHandover(Task):
    """Success: box upright on the pad, centre within 0.02 m in x and y of it and 1.5 mm in z, right gripper open."""

    name = "block_handover"
    target = "box"
    seconds_per_metre = 5.0
    shortest_motion = 2.0

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(rng)
        x, y = rng.uniform(-0.25, -0.05), rng.uniform(0.0, 0.25)
        self.box = Pose.of((x, y, 0.842), BOX_ORIENTATION)

    def scene(self, appearance: Appearance) -> SceneSpec:
        geom = '<geom name="box" type="box" size="0.03 0.03 0.1" material="red" mass="0.1"/>'
        box = SceneObject("box", geom, tuple(self.box.position), tuple(self.box.quaternion))
        pad = (
            f'<geom name="pad" type="box" size="0.05 0.05 0.005" pos="{PAD[0]} {PAD[1]} {PAD[2] + 0.005}" '
            'material="blue"/>'
        )
        return SceneSpec(objects=(box,), fixed_xml=pad, appearance=appearance)

    def slots(self) -> dict[str, str]:
        return {"arm": "the left arm", "other_arm": "the right arm"}

    def play(self, world: World) -> None:
        box = world.body_pose("box").position
        self._take_with_left(world, box)
        self._hand_over(world)
        self._set_down(world)

    def _take_with_left(self, world: World, box: np.ndarray) -> None:
        self._go(world, left=Pose.of(box + [-0.14, -0.18, 0.07], BOX_ORIENTATION))
        self._go(world, left=Pose.of(box + [-0.08, -0.11, 0.07], BOX_ORIENTATION))
        world.grip({"left": CLOSED}, holds={"left": "box"})
        self._go(world, left=world.flange("left").moved((0, 0, 0.06)))

    def _hand_over(self, world: World) -> None:
        self._go(
            world,
            left=Pose.of((-0.19, -0.12, 0.96), POINTING_RIGHT),
            right=Pose.of((0.191, -0.12, 0.87), POINTING_LEFT),
        )
        self._go(world, right=Pose.of((0.09, -0.12, 0.85), POINTING_LEFT))
        world.grip({"right": CLOSED}, holds={"right": "box"})
        world.grip({"left": FINGER_OPEN})
        self._go(world, left=world.flange("left").moved((-0.1, 0, 0)), right=world.flange("right").moved((0.05, 0, 0)))

    def _set_down(self, world: World) -> None:
        # RoboTwin commands pad + (0.02, -0.13, 0.11) for its own grasp; ours differs by millimetres: aim with the box.
        above = Pose.of(PAD + [0.02, -0.13, 0.11], POINTING_AHEAD)
        grasp = (
            world.flange("right").rotation.inv().apply(world.body_pose("box").position - world.flange("right").position)
        )
        box_offset = above.rotation.apply(grasp)
        height = TABLE_TOP + 0.01 + BOX_HALF[2]
        goal = Pose(np.array([PAD[0], PAD[1], height + 0.042]) - box_offset, above.rotation)
        self._go(world, right=goal)
        self._go(world, right=goal.moved((0, 0, -0.04)))
        world.grip({"right": FINGER_OPEN})
        self._go(world, right=world.flange("right").moved((0, -0.1, 0.1)))
        world.hold(60)

    def succeeded(self, world: World) -> bool:
        box = world.body_pose("box").position
        on_pad = np.abs(box[:2] - PAD[:2]).max() < 0.02 and abs(box[2] - 0.85) < 0.0015
        return bool(on_pad and world.gripper_targets["right"] == FINGER_OPEN)
