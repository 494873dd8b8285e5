"""blocks_stack_easy: red block to the centre, black block on top of it (RoboTwin 1.0: envs/blocks_stack_easy.py)."""

import numpy as np

from training.simulation.stage.appearance import Appearance
from training.simulation.stage.poses import Pose, yaw
from training.simulation.stage.robot_model import FINGER_OPEN
from training.simulation.stage.scene import SceneObject, SceneSpec
from training.simulation.stage.world import HOME, World
from training.simulation.tasks.base import GRIPPER_DOWN, Task, other

CENTRE = np.array([0.0, -0.1])
HALF = 0.025
CLOSED = 0.021
NAMES = ("red_block", "black_block")


class BlocksStackEasy(Task):
    """Success: centres within (0.025, 0.025, 0.01) m of (0, -0.1, 0.765) and (0, -0.1, 0.815), both grippers open."""

    name = "blocks_stack_easy"
    target = "red_block"
    seconds_per_metre = 4.5
    shortest_motion = 1.4

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(rng)
        first = self._spawn([])
        self.blocks = (first, self._spawn([first]))

    def _spawn(self, placed: list[Pose]) -> Pose:
        while True:
            x, y = self.rng.uniform(-0.25, 0.25), self.rng.uniform(-0.15, 0.05)
            if abs(x) < 0.15 and y > 0:  # RoboTwin's rand_pose with ylim_prop
                y = self.rng.uniform(-0.15, 0.0)
            point = np.array([x, y])
            clear = all(np.linalg.norm(point - p.position[:2]) >= 0.1 for p in placed)
            if abs(x) >= 0.05 and np.linalg.norm(point - CENTRE) >= 0.15 and clear:
                return Pose(np.array([x, y, 0.766]), yaw(self.rng.uniform(-1.57, 1.57)))

    def scene(self, appearance: Appearance) -> SceneSpec:
        objects = []
        for name, pose, material in zip(NAMES, self.blocks, ("red", "black"), strict=True):
            geom = f'<geom name="{name}" type="box" size="{HALF} {HALF} {HALF}" material="{material}" mass="0.03"/>'
            objects.append(SceneObject(name, geom, tuple(pose.position), tuple(pose.quaternion)))
        return SceneSpec(objects=tuple(objects), appearance=appearance)

    def slots(self) -> dict[str, str]:
        arms = [self._arm(pose) for pose in self.blocks]
        return {"arm": f"the {arms[0]} arm", "other_arm": f"the {arms[1]} arm"}

    @staticmethod
    def _arm(pose: Pose) -> str:
        return "right" if pose.position[0] > 0 else "left"

    def play(self, world: World) -> None:
        previous = None
        for k, name in enumerate(NAMES):
            arm = self._arm(world.body_pose(name))
            if previous == arm:
                self._go(world, **{arm: world.flange(arm).moved((0, 0, 0.05))})
            self._pick(world, arm, name, leaving=previous if previous not in (None, arm) else None)
            self._place(world, arm, k)
            previous = arm
        world.hold(60)

    def _pick(self, world: World, arm: str, name: str, leaving: str | None) -> None:
        block = world.body_pose(name)
        angle = block.rotation.as_euler("zyx")[0]
        folded = (angle + np.pi / 4) % (np.pi / 2) - np.pi / 4  # a cube looks the same every quarter turn
        orientation = yaw(folded) * Pose.of((0, 0, 0), GRIPPER_DOWN).rotation
        above = Pose(block.position + [0, 0, 0.20], orientation)
        targets = {arm: above} if leaving is None else {arm: above, other(arm): HOME[other(arm)]}
        self._go(world, **targets)
        self._go(world, **{arm: above.moved((0, 0, -0.05))})
        world.grip({arm: CLOSED}, holds={arm: name})
        self._go(world, **{arm: above})

    def _place(self, world: World, arm: str, k: int) -> None:
        above = Pose.of((*CENTRE, 0.955 + 0.05 * k), GRIPPER_DOWN)
        self._go(world, **{arm: above})
        self._go(world, **{arm: above.moved((0, 0, -0.04))})
        world.grip({arm: FINGER_OPEN})
        self._go(world, **{arm: above})

    def succeeded(self, world: World) -> bool:
        for k, name in enumerate(NAMES):
            error = np.abs(world.body_pose(name).position - [*CENTRE, 0.765 + 0.05 * k])
            if not (error < [0.025, 0.025, 0.01]).all():
                return False
        return all(opening == FINGER_OPEN for opening in world.gripper_targets.values())
