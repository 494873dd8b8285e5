"""Which tasks of Meta-World are recorded, and what is said for them; the unseen phrasings are never trained on."""

from __future__ import annotations

SEEN: dict[str, tuple[str, ...]] = {
    "reach": (
        "Reach the red dot.",
        "Move the gripper to the red dot.",
        "Bring the hand to the red target.",
        "Go to the red dot and leave the puck alone.",
        "Touch the red target point with the gripper.",
    ),
    "push": (
        "Push the puck to the green dot.",
        "Slide the puck to the green target.",
        "Push the red puck across the table to the goal.",
        "Move the puck over the table until it is on the green dot.",
        "Shove the puck to the green target.",
    ),
    "pick-place": (
        "Pick up the puck and bring it to the blue dot.",
        "Lift the puck to the blue target.",
        "Grasp the red puck and place it at the blue dot.",
        "Pick the puck from the table and hold it at the target.",
        "Take the puck and carry it to the blue dot.",
    ),
    "door-open": (
        "Open the door.",
        "Pull the door open.",
        "Grab the handle and open the door.",
        "Swing the door open by its handle.",
        "Open the door of the safe.",
    ),
    "door-close": (
        "Close the door.",
        "Push the door shut.",
        "Shut the open door.",
        "Swing the door closed.",
        "Close the door of the safe.",
    ),
    "drawer-open": (
        "Open the drawer.",
        "Pull the drawer open.",
        "Pull the drawer out by its handle.",
        "Grab the handle and open the drawer.",
        "Slide the drawer out.",
    ),
    "drawer-close": (
        "Close the drawer.",
        "Push the drawer shut.",
        "Push the drawer in by its handle.",
        "Shut the open drawer.",
        "Slide the drawer in.",
    ),
    "window-open": (
        "Open the window.",
        "Slide the window open.",
        "Push the handle to open the window.",
        "Slide the pane aside to open the window.",
        "Open the sliding window.",
    ),
    "window-close": (
        "Close the window.",
        "Slide the window shut.",
        "Push the handle to close the window.",
        "Slide the pane back to close the window.",
        "Close the sliding window.",
    ),
    "button-press-topdown": (
        "Press the button.",
        "Press the red button from above.",
        "Push the button down.",
        "Move over the button and press it down.",
        "Press down the button on the box.",
    ),
    "faucet-open": (
        "Open the faucet.",
        "Turn the faucet on.",
        "Turn the red handle to open the faucet.",
        "Rotate the handle of the faucet to turn it on.",
    ),
    "faucet-close": (
        "Close the faucet.",
        "Turn the faucet off.",
        "Turn the red handle to close the faucet.",
        "Rotate the handle of the faucet to turn it off.",
    ),
}

UNSEEN: dict[str, tuple[str, ...]] = {
    "reach": ("Move the hand to the red point.", "Reach for the red target."),
    "push": ("Push the red puck onto the green target.", "Slide the puck over to the green dot."),
    "pick-place": ("Pick up the red puck and carry it to the blue target.", "Lift the puck up to the blue dot."),
    "door-open": ("Pull the handle to open the door.", "Swing open the door."),
    "door-close": ("Push the open door closed.", "Shut the door."),
    "drawer-open": ("Pull out the drawer.", "Open the drawer by its handle."),
    "drawer-close": ("Push in the drawer.", "Close the open drawer."),
    "window-open": ("Push the window open.", "Slide open the window by its handle."),
    "window-close": ("Push the window shut.", "Slide the window closed by its handle."),
    "button-press-topdown": ("Push the red button down.", "Press down on the button."),
    "faucet-open": ("Switch the faucet on.", "Turn on the faucet by its handle."),
    "faucet-close": ("Switch the faucet off.", "Turn off the faucet by its handle."),
}

TASKS = tuple(SEEN)
DEFAULT_TASKS = TASKS[:10]
"""Meta-World's ten tasks MT10, with closing the door in place of inserting the peg."""


def phrasings(task: str) -> dict[str, list[str]]:
    """All instructions of a task: `{"seen": [...], "unseen": [...]}`."""
    return {"seen": list(SEEN[task]), "unseen": list(UNSEEN[task])}
