"""In what two instructions differ, and what an instruction is about: verb, colour, side, order."""

from __future__ import annotations

from training.episodes.scene import Scene

VERB, COLOUR, SIDE, ORDER = "verb", "colour", "side", "order"
KINDS = (VERB, COLOUR, SIDE, ORDER)
SIDES = frozenset({"left", "right"})
_ORDERED = (("top", "bottom"), ("from", "to"))


def contrast(one: Scene, other: Scene) -> str | None:
    """The one thing that two instructions differ in, of `KINDS`; None if they differ in several, or in nothing.

    "order" is the same two things with their roles exchanged: red on blue or blue on red, left to right or right to
    left.
    """
    if one.verb != other.verb:
        return VERB
    differing = [role for role in one.roles if one.roles[role] != other.roles.get(role)]
    if not differing or set(one.roles) != set(other.roles):
        return None
    before, after = ([scene.roles[role] for role in differing] for scene in (one, other))
    if len(differing) == 2 and before == after[::-1]:
        return ORDER
    if len(differing) > 1:
        return None
    return SIDE if {*before, *after} <= SIDES else COLOUR


def subjects(scene: Scene) -> dict[str, str]:
    """What an instruction says of each of `KINDS`; kinds that it says nothing of are left out.

    The colour is that of what is handled, the first role that is no side.
    """
    found = {VERB: scene.verb}
    ordered = next((pair for pair in _ORDERED if set(pair) <= set(scene.roles)), ())
    if ordered:
        first, second = (scene.roles[role] for role in ordered)
        found[ORDER] = f"{first} to {second}" if {first, second} <= SIDES else f"{first} on {second}"
    for role, value in scene.roles.items():
        if value in SIDES:
            if role not in ordered:
                found.setdefault(SIDE, value)
        else:
            found.setdefault(COLOUR, value)
    return found
