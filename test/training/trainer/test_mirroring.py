import pytest

from training.simulation.instructions import SEEN, UNSEEN, phrasings
from training.trainer.mirroring import mirror_instruction

SWAPPED = [
    ("Use the left arm to hit the block.", "Use the right arm to hit the block."),
    ("Pass it from the left arm to the right arm.", "Pass it from the right arm to the left arm."),
    ("Hand the red block over from left to right.", "Hand the red block over from right to left."),
    ("LEFT gripper up, Right gripper down", "RIGHT gripper up, Left gripper down"),
    ("Open the left arm's gripper.", "Open the right arm's gripper."),
    ("Take the left's block", "Take the right's block"),
    ("With your right hand, push it.", "With your left hand, push it."),
    ("Grab the rightmost cup, then the leftmost one", "Grab the leftmost cup, then the rightmost one"),
    ("Move it leftwards", "Move it rightwards"),
    ("a left-handed grasp", "a right-handed grasp"),
    ("Put it on the left.", "Put it on the right."),
    ("Put it on its right side", "Put it on its left side"),
    ("Push it to the right of the pad", "Push it to the left of the pad"),
    ("Turn to the left", "Turn to the right"),
    ("Lift it with the left and right arms", "Lift it with the right and left arms"),
    ("Use the left robotic arm", "Use the right robotic arm"),
    ("push it left", None),  # no noun, no preposition: could be "what is left"
]
UNSURE = [
    "Pick the right block",
    "Stop right away",
    "Right now, lift the block",
    "Take what is left",
    "Eat what was left over",
    "Hold it at a right angle",
    "The block left the table",
    "Turn the cup right side up",
    "Turn the cup right-side up",
    "Turn the valve clockwise",
    "Press the button L",
]


@pytest.mark.parametrize("text, mirrored", SWAPPED)
def test_sides_are_swapped_with_their_case(text, mirrored):
    assert mirror_instruction(text) == mirrored
    if mirrored:
        assert mirror_instruction(mirrored) == text


@pytest.mark.parametrize("text", UNSURE)
def test_what_may_be_no_side_has_no_mirror_image(text):
    assert mirror_instruction(text) is None


@pytest.mark.parametrize("text", ["Stack the blocks.", "Keep the bottle upright", "a bright block", "leftover? no"])
def test_without_sides_an_instruction_is_its_own_mirror_image(text):
    assert mirror_instruction(text) == text


def test_every_phrasing_of_the_simulator_has_a_mirror_image():
    slots = {"arm": "the left arm", "other_arm": "the right arm"}
    opposite = {"arm": "the right arm", "other_arm": "the left arm"}
    for task in SEEN:
        ours, theirs = phrasings(task, slots), phrasings(task, opposite)
        for table, kind in ((SEEN, "seen"), (UNSEEN, "unseen")):
            for template, text, other in zip(table[task], ours[kind], theirs[kind], strict=True):
                if "{" in template:
                    assert mirror_instruction(text) == other
                else:
                    assert mirror_instruction(mirror_instruction(text)) == text
