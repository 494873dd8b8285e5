"""Inverse kinematics reaches what forward kinematics says, and refuses what is out of reach."""

import numpy as np
import pytest

from training.simulation.stage.kinematics import POSITION_TOLERANCE, ArmKinematics, UnreachableError
from training.simulation.stage.poses import Pose, interpolate, yaw
from training.simulation.stage.robot_model import REST_JOINTS
from training.simulation.stage.world import HOME


@pytest.mark.parametrize("side", ["left", "right"])
def test_solution_brings_the_flange_to_the_target(side):
    kinematics = ArmKinematics()
    home = kinematics.solve(side, HOME[side], REST_JOINTS[side])
    reached = kinematics.flange(side, home)
    assert np.linalg.norm(reached.position - HOME[side].position) < POSITION_TOLERANCE
    assert (reached.rotation.inv() * HOME[side].rotation).magnitude() < 0.03


def test_out_of_reach_is_an_error_that_names_the_pose():
    with pytest.raises(UnreachableError, match="left flange"):
        ArmKinematics().solve("left", Pose.of((0.0, 2.0, 1.0), (1, 0, 0, 1)), REST_JOINTS["left"])


def test_interpolation_is_straight_and_ends_where_it_should():
    start, end = Pose.of((0, 0, 0), (1, 0, 0, 0)), Pose(np.array([1.0, 2.0, 3.0]), yaw(1.0))
    path = interpolate(start, end, np.array([0.0, 0.5, 1.0]))
    assert np.allclose(path[1].position, [0.5, 1.0, 1.5])
    assert np.isclose((path[0].rotation.inv() * path[1].rotation).magnitude(), 0.5)
    assert np.allclose(path[2].quaternion, end.quaternion)
