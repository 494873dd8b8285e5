"""The paper's three RoboTwin tasks rebuilt in MuJoCo, for machines that cannot run RoboTwin itself.

Scene geometry, spawn ranges and motion order follow RoboTwin 1.0 (RoboTwin-Platform/RoboTwin, branch RoboTwin-1.0,
envs/base_task.py and envs/{task}.py); robot and objects are modelled from primitive shapes.
"""

from training.simulation.stage.opengl import select_backend

select_backend()  # before any module of this package imports MuJoCo
