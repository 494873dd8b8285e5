"""Instruction phrasings of the simulated tasks, in the style of RoboTwin's task descriptions.

`{arm}` and `{other_arm}` are filled with "the left arm" or "the right arm" (RoboTwin 2.0's slots `{a}` and `{b}`). The
unseen phrasings are never used in training.
"""

SEEN: dict[str, tuple[str, ...]] = {
    "block_hammer_beat": (
        "Beat the block with the hammer.",
        "Hit the block with the hammer.",
        "Grab the hammer and strike the red block.",
        "Pick up the hammer and hit the red block.",
        "Use {arm} to hit the block with the hammer.",
        "Take the hammer with {arm} and beat the block.",
        "Lift the hammer using {arm}, then strike the block once.",
        "Grasp the hammer by its handle and beat the red block.",
    ),
    "block_handover": (
        "Hand over the block.",
        "Pass the red block from the left arm to the right arm.",
        "Handover the block and place it on the blue pad.",
        "Pick the red block with the left arm and hand it to the right arm.",
        "Give the block to the right arm, then set it on the pad.",
        "Move the block to the blue target by passing it between the arms.",
        "Grab the long red block, hand it over and put it on the blue pad.",
        "Transfer the block from the left gripper to the right gripper.",
    ),
    "blocks_stack_easy": (
        "Stack the blocks.",
        "Stack the black block on the red block.",
        "Put the red block in the center, then stack the black block on it.",
        "Place the black block on top of the red block at the center.",
        "Move the red block to the center with {arm}, then stack the black block with {other_arm}.",
        "Pick up the red block with {arm} and build a stack with the black block.",
        "Build a tower of two blocks, red below and black above.",
        "Pile the black block onto the red block in the middle of the table.",
    ),
}

UNSEEN: dict[str, tuple[str, ...]] = {
    "block_hammer_beat": (
        "Strike the red block with the hammer.",
        "Use the hammer to beat the block.",
        "With {arm}, grab the hammer and hit the red block.",
    ),
    "block_handover": (
        "Pass the block to the right arm and place it on the pad.",
        "Hand the red block over from left to right.",
        "Use both arms to hand over the red block.",
    ),
    "blocks_stack_easy": (
        "Stack the two blocks at the center.",
        "Put the black block on top of the red block.",
        "Build a stack: first the red block, then the black block on top.",
    ),
}


def phrasings(task: str, slots: dict[str, str]) -> dict[str, list[str]]:
    """All instructions that fit one episode: `{"seen": [...], "unseen": [...]}`, slots filled."""
    return {
        "seen": [text.format(**slots) for text in SEEN[task]],
        "unseen": [text.format(**slots) for text in UNSEEN[task]],
    }


def task_instructions(task: str) -> dict[str, list[str]]:
    """The task's own list for RoboTwin 1.0's `instructions/{task}.json`: the phrasings that need no slot."""
    plain = [[text for text in table[task] if "{" not in text] for table in (SEEN, UNSEEN)]
    return {"instructions": plain[0], "unseen": plain[1]}
