"""The three tasks of the paper, by RoboTwin 1.0's names."""

from training.simulation.tasks.base import Task
from training.simulation.tasks.block_hammer_beat import BlockHammerBeat
from training.simulation.tasks.block_handover import BlockHandover
from training.simulation.tasks.blocks_stack_easy import BlocksStackEasy

TASKS: dict[str, type[Task]] = {task.name: task for task in (BlockHammerBeat, BlockHandover, BlocksStackEasy)}

__all__ = ["TASKS", "Task"]
