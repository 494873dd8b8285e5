"""The episodes of one scene: twins, which start from the same moment, and branches, which turn off in mid-motion.

Only physics happens here; `scene_writer` films what succeeded. All draws come from the scene's seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from training.simulation.stage.kinematics import UnreachableError
from training.simulation.stage.world import SAVE_FREQUENCY, GraspError
from training.simulation.table.checks import succeeded
from training.simulation.table.instruction import Instruction, possible
from training.simulation.table.layout import draw_layout
from training.simulation.table.skills import carry_out
from training.simulation.table.world import Snapshot, TableWorld

HORIZON = 50  # frames to the prediction, 3 s
TAIL, SHORTEST = 14, 72  # frames: of rest after the motion, and of a whole episode at least
TWINS = (3, 5)  # least and most episodes from the scene's start
FIRST_BRANCH = 8  # the first frame at which a branch may turn off
DIFFERENCE = 0.04  # metres between the same thing in two episodes, `HORIZON` frames on, that a picture shows clearly
WEIGHTS = {"home": 0.6, "still": 0.4}  # of verbs in the draw; 1 for all others
NAMED_ARM_WEIGHT = 0.35  # of an instruction for the farther arm
CONTRAST = 0.6  # probability of a second instruction with the same verb, so that colour or side decides


@dataclass(frozen=True)
class SceneEpisode:
    """One successful episode. `parent` is the place in the scene's list of the episode that this one turns off from."""

    instruction: Instruction
    frames: list[Snapshot]
    moving: int  # frames before the rest at the end
    parent: int | None = None
    branch_frame: int | None = None


@dataclass
class SceneRun:
    """All episodes of a scene, twins first, and every try as (verb, succeeded)."""

    episodes: list[SceneEpisode] = field(default_factory=list)
    tries: list[tuple[str, bool]] = field(default_factory=list)


def run_scene(seed: int, held_out: bool = False) -> SceneRun:
    """Play the scene of `seed`. Fewer than `TWINS[0]` twins that succeed and differ: no episodes.

    With `held_out` about half of the instructions are combinations kept for tests; without, none is.
    """
    rng = np.random.default_rng([seed, 1002 if held_out else 1001])
    run = SceneRun()
    try:
        world = TableWorld(draw_layout(seed))
    except UnreachableError:  # an arm cannot wait where it was drawn
        return run
    options = _Options(possible(world.situation()), rng, held_out)
    twins = _grow(world, world.start, options, int(rng.integers(TWINS[0], TWINS[1] + 1)), [], run)
    kept_back = any(twin.instruction.held_out for twin in twins)
    if len(twins) < TWINS[0] or (held_out and not kept_back):
        return run
    run.episodes += twins
    parents = [k for k, twin in enumerate(twins) if twin.instruction.verb != "still"]
    for parent in rng.permutation(parents)[: int(rng.integers(1, 3))]:
        _branch(world, int(parent), run, rng, held_out)
    return run


def _branch(world: TableWorld, parent: int, run: SceneRun, rng: np.random.Generator, held_out: bool) -> None:
    """Turn off from episode `parent` at a drawn frame, in one or two other ways."""
    origin = run.episodes[parent]
    last = min(origin.moving - 4, len(origin.frames) - HORIZON - 2)
    if last < FIRST_BRANCH:
        return
    frame, wanted = int(rng.integers(FIRST_BRANCH, last + 1)), int(rng.integers(1, 3))
    moment = origin.frames[frame]
    world.restore(moment)
    others = [option for option in possible(world.situation()) if not _same_goal(option, origin.instruction)]
    going_on = origin.frames[frame + HORIZON]
    for turned in _grow(world, moment, _Options(others, rng, held_out), wanted, [going_on], run):
        run.episodes.append(SceneEpisode(turned.instruction, turned.frames, turned.moving, parent, frame))


def _same_goal(one: Instruction, another: Instruction) -> bool:
    return one.verb == another.verb and one.roles == another.roles


def _grow(
    world: TableWorld, moment: Snapshot, options: _Options, wanted: int, futures: list[Snapshot], run: SceneRun
) -> list[SceneEpisode]:
    """Up to `wanted` episodes from `moment` whose futures differ from each other and from `futures`."""
    found: list[SceneEpisode] = []
    for _ in range(3 * wanted):
        if len(found) == wanted:
            break
        instruction = options.draw(found[0].instruction if len(found) == 1 else None)
        if instruction is None:
            break
        episode = _play(world, moment, instruction)
        run.tries.append((instruction.verb, episode is not None))
        if episode is not None and all(_differ(episode.frames[HORIZON], future) for future in futures):
            found.append(episode)
            futures = [*futures, episode.frames[HORIZON]]
    return found


def _play(world: TableWorld, moment: Snapshot, instruction: Instruction) -> SceneEpisode | None:
    """The episode that follows `instruction` from `moment`; None if it fails."""
    world.restore(moment)
    try:
        carry_out(world, instruction)
    except (GraspError, UnreachableError):
        return None
    moving = len(world.frames)
    while len(world.frames) < max(SHORTEST, moving + TAIL):
        world.hold(SAVE_FREQUENCY)
    if not succeeded(world, instruction, moment):
        return None
    return SceneEpisode(instruction, world.frames, moving)


def _differ(one: Snapshot, another: Snapshot) -> bool:
    return any(np.linalg.norm(place - another.bodies[name]) > DIFFERENCE for name, place in one.bodies.items())


class _Options:
    """Draws instructions without putting them back: first the verb, then which of them."""

    def __init__(self, options: list[Instruction], rng: np.random.Generator, held_out: bool) -> None:
        self._left = [option for option in options if held_out or not option.held_out]
        self._rng = rng
        self._held_out = held_out

    def draw(self, contrast_to: Instruction | None) -> Instruction | None:
        """The next instruction, often with the verb of `contrast_to`; None when there is no other."""
        if not self._left:
            return None
        pool = self._left
        kept_back = [option for option in pool if option.held_out]
        if self._held_out and kept_back and self._rng.random() < 0.5:
            pool = kept_back
        same = [o for o in pool if contrast_to and o.verb == contrast_to.verb and o.roles != contrast_to.roles]
        if self._rng.random() < CONTRAST and same:
            pool = same
        verbs = sorted({option.verb for option in pool})
        verb = verbs[_weighted(self._rng, [WEIGHTS.get(verb, 1.0) for verb in verbs])]
        candidates = [option for option in pool if option.verb == verb]
        weights = [NAMED_ARM_WEIGHT if option.name_arm else 1.0 for option in candidates]
        chosen = candidates[_weighted(self._rng, weights)]
        self._left.remove(chosen)
        return chosen


def _weighted(rng: np.random.Generator, weights: list[float]) -> int:
    shares = np.asarray(weights) / np.sum(weights)
    return int(rng.choice(len(weights), p=shares))
