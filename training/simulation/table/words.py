"""Phrasings of the instructions on the table, in the style of `training/simulation/instructions.py`.

The phrasings in `ARM` name the arm. If both arms could do it and the farther one is chosen, only these are used.
Otherwise the nearer arm acts, and all phrasings fit. The unseen phrasings are never used in training.
"""

from __future__ import annotations

SEEN: dict[str, tuple[str, ...]] = {
    "beat": (
        "Beat the {block} block with the hammer.",
        "Hit the {block} block with the hammer.",
        "Grab the hammer and strike the {block} block.",
        "Pick up the hammer, then beat the {block} block.",
        "Take the hammer by its handle and hit the {block} block once.",
    ),
    "stack": (
        "Stack the {top} block on the {bottom} block.",
        "Put the {top} block on top of the {bottom} block.",
        "Place the {top} block onto the {bottom} block.",
        "Pick up the {top} block and stack it on the {bottom} one.",
        "Build a tower: the {bottom} block below, the {top} block above.",
    ),
    "place": (
        "Put the {block} block on the {pad} pad.",
        "Place the {block} block onto the {pad} pad.",
        "Move the {block} block to the {pad} pad.",
        "Pick up the {block} block and set it on the {pad} pad.",
        "Bring the {block} block to the {pad} target.",
    ),
    "hand_over": (
        "Hand the box from the {from} arm to the {to} arm.",
        "Pass the box from {from} to {to}.",
        "Hand over the box, {from} to {to}.",
        "Take the box with the {from} arm and give it to the {to} arm.",
        "Let the {to} arm receive the box from the {from} arm.",
        "Grab the tall box with the {from} gripper and pass it to the {to} gripper.",
    ),
    "lift": (
        "Lift the {block} block.",
        "Pick up the {block} block.",
        "Raise the {block} block into the air.",
        "Grab the {block} block and hold it up.",
        "Take the {block} block off the table.",
    ),
    "push": (
        "Push the {block} block to the {side}.",
        "Slide the {block} block to the {side}.",
        "Shove the {block} block {side}wards.",
        "Push the {block} block over to the {side} side.",
        "Without lifting it, move the {block} block to the {side}.",
    ),
    "home": (
        "Go home.",
        "Move the arms back home.",
        "Return to the home position.",
        "Drive both arms to their rest pose.",
        "Go back to the start pose.",
        "Retract the arms.",
    ),
    "still": (
        "Stay still.",
        "Do not move.",
        "Hold your position.",
        "Do nothing, stay still.",
        "Wait where you are.",
        "Keep both arms where they are.",
    ),
}

SEEN_ARM: dict[str, tuple[str, ...]] = {
    "beat": (
        "Use {arm} to hit the {block} block with the hammer.",
        "Take the hammer with {arm} and beat the {block} block.",
        "Lift the hammer using {arm}, then strike the {block} block.",
        "With {arm}, beat the {block} block with the hammer.",
    ),
    "stack": (
        "Use {arm} to stack the {top} block on the {bottom} block.",
        "With {arm}, put the {top} block on top of the {bottom} block.",
        "Pick up the {top} block with {arm} and place it on the {bottom} block.",
        "Stack the {top} block on the {bottom} block using {arm}.",
    ),
    "place": (
        "Use {arm} to put the {block} block on the {pad} pad.",
        "With {arm}, move the {block} block to the {pad} pad.",
        "Pick up the {block} block with {arm} and set it on the {pad} pad.",
        "Place the {block} block on the {pad} pad using {arm}.",
    ),
    "lift": (
        "Use {arm} to lift the {block} block.",
        "With {arm}, pick up the {block} block.",
        "Raise the {block} block using {arm}.",
        "Grab the {block} block with {arm} and hold it up.",
    ),
    "push": (
        "Use {arm} to push the {block} block to the {side}.",
        "With {arm}, slide the {block} block to the {side}.",
        "Push the {block} block to the {side} using {arm}.",
        "Shove the {block} block {side}wards with {arm}.",
    ),
}

UNSEEN: dict[str, tuple[str, ...]] = {
    "beat": ("Strike the {block} block using the hammer.", "Give the {block} block a blow with the hammer."),
    "stack": ("Set the {top} block on the {bottom} block.", "Pile the {top} block onto the {bottom} one."),
    "place": ("Set the {block} block down on the {pad} pad.", "Carry the {block} block over to the {pad} pad."),
    "hand_over": ("Transfer the box from the {from} hand to the {to} hand.", "Give the box to the {to} arm."),
    "lift": ("Hold the {block} block up.", "Get the {block} block up from the table."),
    "push": ("Nudge the {block} block towards the {side}.", "Move the {block} block {side} by pushing it."),
    "home": ("Bring the arms to the home pose.", "Let both arms rest."),
    "still": ("Freeze.", "Remain motionless."),
}

UNSEEN_ARM: dict[str, tuple[str, ...]] = {
    "beat": (
        "Strike the {block} block with the hammer in {arm}.",
        "Let {arm} take the hammer and hit the {block} block.",
    ),
    "stack": (
        "Set the {top} block on the {bottom} block with {arm}.",
        "Let {arm} pile the {top} block onto the {bottom} one.",
    ),
    "place": (
        "Set the {block} block down on the {pad} pad with {arm}.",
        "Let {arm} carry the {block} block to the {pad} pad.",
    ),
    "lift": ("Hold the {block} block up with {arm}.", "Let {arm} get the {block} block up from the table."),
    "push": (
        "Nudge the {block} block towards the {side} with {arm}.",
        "Let {arm} move the {block} block {side} by pushing it.",
    ),
}

VERBS = tuple(SEEN)


def phrasings(verb: str, roles: dict[str, str], arm: str | None, name_arm: bool) -> dict[str, list[str]]:
    """All phrasings that fit one instruction: `{"seen": [...], "unseen": [...]}`, slots filled.

    Args:
        verb: one of `VERBS`.
        roles: words of the slots, such as `{"block": "red"}`.
        arm: "left", "right", or None where the instruction has no acting arm of its own.
        name_arm: only phrasings that say which arm.
    """
    slots = {**roles, "arm": f"the {arm} arm"}
    lists = {"seen": (SEEN, SEEN_ARM), "unseen": (UNSEEN, UNSEEN_ARM)}
    texts = {}
    for key, (plain, named) in lists.items():
        templates = () if name_arm else plain[verb]
        templates += named.get(verb, ()) if arm else ()
        texts[key] = [template.format(**slots) for template in templates]
    return texts
