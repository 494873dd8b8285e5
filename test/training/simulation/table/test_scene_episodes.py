"""One scene, several futures: the same start, different ends, and the same again from the same seed."""

import numpy as np
import pytest

from training.simulation.stage.robot_model import SIDES
from training.simulation.table.checks import succeeded
from training.simulation.table.layout import draw_layout
from training.simulation.table.scene_episodes import (
    DIFFERENCE,
    HORIZON,
    SHORTEST,
    TWINS,
    SceneEpisode,
    SceneRun,
    run_scene,
)
from training.simulation.table.world import Snapshot, TableWorld

SEEDS = range(4)


@pytest.fixture(scope="module")
def scenes() -> dict[int, SceneRun]:
    return {seed: run_scene(seed) for seed in SEEDS}


def same(one: Snapshot, another: Snapshot) -> bool:
    """Whether all is the same but the commands, which at an episode's first frame are already its own."""
    states = np.array_equal(one.state, another.state) and np.array_equal(one.welds, another.welds)
    return states and one.holding == another.holding


def goal(episode: SceneEpisode) -> tuple:
    return episode.instruction.verb, episode.instruction.roles


def apart(one: Snapshot, another: Snapshot) -> bool:
    return max(np.linalg.norm(one.bodies[name] - another.bodies[name]) for name in one.bodies) > DIFFERENCE


def test_the_seed_decides_every_frame(scenes):
    again = run_scene(2)
    assert again.tries == scenes[2].tries and len(again.episodes) == len(scenes[2].episodes)
    for one, another in zip(scenes[2].episodes, again.episodes, strict=True):
        assert one.instruction == another.instruction
        assert (one.parent, one.branch_frame) == (another.parent, another.branch_frame)
        for a, b in zip(one.frames, another.frames, strict=True):
            assert same(a, b) and all(np.array_equal(a.joint_targets[s], b.joint_targets[s]) for s in SIDES)


def test_twins_start_from_the_same_moment(scenes):
    for run in scenes.values():
        twins = [episode for episode in run.episodes if episode.parent is None]
        assert TWINS[0] <= len(twins) <= TWINS[1]
        assert all(same(twin.frames[0], twins[0].frames[0]) for twin in twins)
        assert len({twin.instruction for twin in twins}) == len(twins)


def test_branches_start_from_the_moment_at_which_they_turn_off(scenes):
    branches = [(run, episode) for run in scenes.values() for episode in run.episodes if episode.parent is not None]
    assert len(branches) >= len(SEEDS)
    for run, branch in branches:
        parent = run.episodes[branch.parent]
        assert parent.parent is None and branch.branch_frame < parent.moving
        assert same(branch.frames[0], parent.frames[branch.branch_frame])
        assert goal(branch) != goal(parent)


def test_futures_differ_and_every_episode_has_one(scenes):
    for run in scenes.values():
        groups: dict[tuple, list[Snapshot]] = {}
        for episode in run.episodes:
            assert len(episode.frames) >= SHORTEST
            groups.setdefault((episode.parent, episode.branch_frame), []).append(episode.frames[HORIZON])
            if episode.parent is not None:
                going_on = run.episodes[episode.parent].frames[episode.branch_frame + HORIZON]
                assert apart(going_on, episode.frames[HORIZON])
        for futures in groups.values():
            assert all(apart(a, b) for k, a in enumerate(futures) for b in futures[:k])


def test_every_episode_ends_as_it_was_told(scenes):
    for seed, run in scenes.items():
        world = TableWorld(draw_layout(seed))
        for episode in run.episodes:
            world.restore(episode.frames[-1])
            assert succeeded(world, episode.instruction, episode.frames[0])


def test_kept_back_combinations_are_only_in_test_scenes(scenes):
    assert not any(episode.instruction.held_out for run in scenes.values() for episode in run.episodes)
    tests = [run_scene(seed, held_out=True) for seed in (0, 1)]
    made = [run for run in tests if run.episodes]
    assert made
    for run in made:
        assert any(episode.instruction.held_out for episode in run.episodes if episode.parent is None)
