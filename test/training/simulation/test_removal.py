"""The block that is taken away: the robot's motion and all earlier frames are those of the undisturbed episode."""

import numpy as np
import pytest

from training.simulation.removal import TapedWorld, replay_without
from training.simulation.stage.appearance import Appearance
from training.simulation.stage.world import World
from training.simulation.tasks import TASKS


@pytest.fixture(scope="module", params=list(TASKS))
def rehearsal(request):
    task = TASKS[request.param](np.random.default_rng(3))
    states = []
    world = TapedWorld(task.scene(Appearance()), lambda w: states.append(w.data.qpos.copy()), task.initial_opening)
    task.play(world)
    return task, world.tape, np.array(states)


def replay(rehearsal, fraction):
    task, tape, _ = rehearsal
    bodies, arms = [], []

    def on_frame(world):
        bodies.append(world.body_pose(task.target).position)
        arms.append(np.concatenate([world.flange(side).position for side in ("left", "right")]))
        states.append(world.data.qpos.copy())

    states = []
    world = World(task.scene(Appearance()), on_frame, task.initial_opening)
    replay_without(world, tape, task.target, fraction)
    return np.array(states), np.array(bodies), np.array(arms)


def test_the_block_is_there_until_the_moment_and_far_away_from_then_on(rehearsal):
    states = rehearsal[2]
    replayed, bodies, arms = replay(rehearsal, 0.5)
    half = round(0.5 * len(states))
    assert len(replayed) == len(states)
    np.testing.assert_array_equal(replayed[:half], states[:half])
    assert (np.abs(bodies[:half]) < 2).all()
    assert (np.linalg.norm(bodies[half:], axis=1) > 50).all()
    assert np.ptp(arms[half:], axis=0).max() > 0.05, "the robot goes on"


def test_a_tape_alone_repeats_the_episode(rehearsal):
    np.testing.assert_array_equal(replay(rehearsal, 2.0)[0], rehearsal[2])
