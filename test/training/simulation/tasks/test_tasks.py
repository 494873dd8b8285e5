"""The three tasks succeed in physics, as RoboTwin 1.0 defines success, and equal seeds give equal episodes."""

import numpy as np
import pytest

from training.simulation.instructions import SEEN, UNSEEN, phrasings, task_instructions
from training.simulation.stage.appearance import Appearance
from training.simulation.stage.world import GraspError, World
from training.simulation.tasks import TASKS

FRAMES = {"block_hammer_beat": 210, "block_handover": 420, "blocks_stack_easy": 420}  # paper, section 4.1


def play(name: str, seed: int):
    states = []
    task = TASKS[name](np.random.default_rng(seed))
    world = World(task.scene(Appearance()), lambda w: states.append(w.data.qpos.copy()), task.initial_opening)
    task.play(world)
    return task, world, np.array(states)


@pytest.mark.parametrize("name", list(TASKS))
def test_task_succeeds_with_about_the_papers_number_of_frames(name):
    for seed in range(3):
        task, world, states = play(name, seed)
        assert task.succeeded(world), f"{name} seed {seed}"
        assert abs(len(states) - FRAMES[name]) < 0.1 * FRAMES[name]


@pytest.mark.parametrize("name", list(TASKS))
def test_equal_seeds_give_equal_episodes_and_others_do_not(name):
    first, again, different = (play(name, seed)[2] for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[0], different[0])


def test_success_is_judged_on_the_world_not_on_the_motion():
    task = TASKS["blocks_stack_easy"](np.random.default_rng(0))
    world = World(task.scene(Appearance()), lambda w: None, task.initial_opening)
    assert not task.succeeded(world)


def test_object_only_follows_the_hand_after_a_grasp():
    task = TASKS["blocks_stack_easy"](np.random.default_rng(1))
    world = World(task.scene(Appearance()), lambda w: None, task.initial_opening)
    before = world.body_pose("red_block").position
    with pytest.raises(GraspError, match="red_block"):
        world.grip({"left": 0.0}, holds={"left": "red_block"})
    assert np.allclose(world.body_pose("red_block").position, before, atol=1e-3)


@pytest.mark.parametrize("name", list(TASKS))
def test_spawn_poses_stay_in_robotwins_ranges_and_vary(name):
    tasks = [TASKS[name](np.random.default_rng(seed)) for seed in range(200)]
    if name == "block_handover":
        xy = np.array([t.box.position[:2] for t in tasks])
        low, high = (-0.25, 0.0), (-0.05, 0.25)
    elif name == "block_hammer_beat":
        xy = np.array([t.block.position[:2] for t in tasks])
        low, high = (-0.25, -0.05), (0.25, 0.15)
        assert (np.abs(xy[:, 0]) >= 0.05).all()
    else:
        xy = np.array([b.position[:2] for t in tasks for b in t.blocks])
        low, high = (-0.25, -0.15), (0.25, 0.05)
        apart = [np.linalg.norm(t.blocks[0].position[:2] - t.blocks[1].position[:2]) for t in tasks]
        assert min(apart) >= 0.1
    assert (xy >= low).all() and (xy <= high).all()
    assert (xy.std(axis=0) > 0.03).all()


def test_unseen_phrasings_are_never_among_the_seen_ones():
    for name in TASKS:
        slots = {"arm": "the left arm", "other_arm": "the right arm"}
        texts = phrasings(name, slots)
        assert not set(texts["seen"]) & set(texts["unseen"])
        assert len(texts["seen"]) == len(SEEN[name]) and len(texts["unseen"]) == len(UNSEEN[name])
        assert not any("{" in text for text in texts["seen"] + texts["unseen"])
        assert set(task_instructions(name)["instructions"]) <= set(SEEN[name])
