"""Which instructions a table allows, and which of them are kept for tests."""

import numpy as np
import pytest

from training.simulation.stage.poses import Pose
from training.simulation.table.instruction import COLOURS, HELD_OUT, Instruction, Situation, possible

UPRIGHT = (1, 0, 0, 0)
RED, BLUE = Pose.of((-0.12, -0.08, 0.766), UPRIGHT), Pose.of((0.12, -0.08, 0.766), UPRIGHT)
HAMMER = Pose.of((0.0, -0.06, 0.7835), UPRIGHT)
BOX = Pose.of((0.0, 0.12, 0.841), UPRIGHT)
PAD = {"green": np.array([0.0, 0.0])}


def situation(**changes) -> Situation:
    plain = {"blocks": {"red": RED, "blue": BLUE}, "pads": {}, "hammer": None, "box": None}
    return Situation(**{**plain, **changes})


def goals(now: Situation, verb: str) -> set[tuple[str, ...]]:
    return {tuple(value for _, value in option.roles) for option in possible(now) if option.verb == verb}


def test_two_blocks_can_be_lifted_stacked_both_ways_and_pushed():
    now = situation()
    assert goals(now, "lift") == {("red",), ("blue",)}
    assert goals(now, "stack") == {("red", "blue"), ("blue", "red")}
    assert ("red", "left") in goals(now, "push")
    assert {option.verb for option in possible(now)} == {"lift", "stack", "push", "still"}


@pytest.mark.parametrize(
    ("things", "verb"), [({"hammer": HAMMER}, "beat"), ({"box": BOX}, "hand_over"), ({"pads": PAD}, "place")]
)
def test_a_thing_on_the_table_brings_its_instruction(things, verb):
    assert not goals(situation(), verb)
    assert goals(situation(**things), verb)


def test_home_is_possible_only_away_from_home():
    assert not goals(situation(), "home")
    assert goals(situation(away=("left",)), "home") == {()}


def test_the_box_goes_both_ways_and_only_on_from_the_hand_that_holds_it():
    assert goals(situation(box=BOX), "hand_over") == {("left", "right"), ("right", "left")}
    assert goals(situation(box=BOX, holding={"left": "box"}), "hand_over") == {("left", "right")}


def test_a_covered_block_is_left_alone():
    on_red = Pose.of(RED.position + [0, 0, 0.05], UPRIGHT)
    now = situation(blocks={"red": RED, "blue": BLUE, "black": on_red})
    for verb in ("lift", "push"):
        assert ("red",) not in {goal[:1] for goal in goals(now, verb)}


def test_a_held_block_can_be_put_down_but_not_pushed():
    now = situation(pads=PAD, holding={"left": "red_block"})
    assert ("red", "green") in goals(now, "place")
    assert "red" not in {goal[0] for goal in goals(now, "push")}
    lifts = [option for option in possible(now) if option.verb == "lift"]
    assert {(option.role["block"], option.arm) for option in lifts} == {("red", "left"), ("blue", "right")}


def test_only_the_farther_arm_must_be_named():
    for option in possible(situation()):
        if option.verb == "lift":
            nearer = "left" if option.role["block"] == "red" else "right"
            assert option.name_arm == (option.arm != nearer)


def test_kept_back_combinations_are_known_from_their_parts():
    verbs, colours = {verb for verb, _, _ in HELD_OUT}, {colour for _, _, colour in HELD_OUT}
    assert verbs == {"beat", "stack", "place", "lift", "push"} and colours <= set(COLOURS)
    for verb, role, colour in HELD_OUT:
        assert any((verb, role, other) not in HELD_OUT for other in COLOURS), "the verb is known"
        assert any((other, role, colour) not in HELD_OUT for other in verbs - {verb}) or role != "block"
    assert Instruction("stack", (("top", "green"), ("bottom", "red"))).held_out
    assert not Instruction("stack", (("top", "red"), ("bottom", "green"))).held_out
