"""What a task is: where its objects spawn, how the robot moves, and when it has succeeded."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from training.simulation.stage.appearance import Appearance
from training.simulation.stage.poses import Pose
from training.simulation.stage.robot_model import FINGER_OPEN
from training.simulation.stage.scene import SceneSpec
from training.simulation.stage.world import World

GRIPPER_DOWN = (-0.5, 0.5, -0.5, -0.5)  # RoboTwin's flange orientation (w, x, y, z) for reaching straight down


class Task(ABC):
    """One episode of a task. A new instance draws its spawn poses from `rng`, so equal seeds give equal episodes."""

    name: ClassVar[str]
    target: ClassVar[str]  # the body that the task is about
    initial_opening: ClassVar[float] = FINGER_OPEN  # metres per finger when the recording starts
    seconds_per_metre: ClassVar[float]
    shortest_motion: ClassVar[float]  # seconds

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    @abstractmethod
    def scene(self, appearance: Appearance) -> SceneSpec:
        """The scene with this episode's objects at their spawn poses."""

    @abstractmethod
    def play(self, world: World) -> None:
        """Do the task. Raises GraspError or UnreachableError when it cannot be done from this spawn."""

    @abstractmethod
    def succeeded(self, world: World) -> bool:
        """RoboTwin 1.0's own success check for the task."""

    @abstractmethod
    def slots(self) -> dict[str, str]:
        """Words for the slots of the instruction templates, such as the arm that acts."""

    def _go(self, world: World, **targets: Pose) -> None:
        """Move the named arms together, for a time that grows with the longest way."""
        distance = max(
            float(np.linalg.norm(pose.position - world.flange(side).position)) for side, pose in targets.items()
        )
        world.move(targets, max(self.shortest_motion, self.shortest_motion / 2 + distance * self.seconds_per_metre))


def other(side: str) -> str:
    """The opposite arm."""
    return "left" if side == "right" else "right"
