"""The instruction of a mirrored picture: what was on the left is on the right."""

from __future__ import annotations

import re

_SIDES = {"left": "right", "right": "left"}
_NOUNS = (
    "arms?|hands?|grippers?|fingers?|claws?|wrists?|elbows?|shoulders?|manipulators?|end[- ]effectors?|robots?|"
    "cameras?|sides?(?![- ]up)|halves|half|edges?|corners?|ends?"
)
_SIDE = r"\b(?P<{0}>left|right)"
_SPATIAL = re.compile(
    "|".join(
        (
            _SIDE.format("compound") + r"(?=most\b|wards?\b|-?hand(ed)?\b|-(arm|hand|most|side(?![- ]up))\b|['’]s\b)",
            _SIDE.format("noun") + rf"(?=(\s+(robot|robotic))?\s+({_NOUNS})\b)",
            # "from the left to the right", "on its right.": nothing follows that "left" or "right" could describe
            r"(?<=\b)(?P<before>(to|from|on|at|toward|towards|into)\s+((the|its|your|their|his|her)\s+)?)"
            r"(?P<place>left|right)(?=\s*([.,;:!?)]|$)|\s+(to|and|of|then|or|with|by|onto|using|in|from)\b)",
            # "the left and right arms"
            _SIDE.format("pair") + rf"(?=\s+(and|or)\s+(left|right)\s+({_NOUNS})\b)",
        )
    ),
    re.IGNORECASE,
)
_ANY_SIDE = re.compile(r"left|right", re.IGNORECASE)
_HARMLESS = re.compile(r"(up|down|b|f|out)right|righteous|cleft|leftover", re.IGNORECASE)
_TURNING = re.compile(r"clockwise|\b[LR]\b", re.IGNORECASE)


def mirror_instruction(text: str) -> str | None:
    """The instruction as it is true of the mirrored scene, or None where that is not sure.

    Left and right are swapped where they name a side ("the left arm", "from left to right", "the rightmost block"),
    with their case kept. Where one of them may mean something else ("the right block", "is left", "right away"), or
    the instruction tells a direction of turning, there is no sure mirror image. An instruction without sides is its
    own.
    """
    plain = _HARMLESS.sub("", text)
    spatial = list(_SPATIAL.finditer(text))
    if _TURNING.search(text) or len(spatial) != len(_ANY_SIDE.findall(plain)):
        return None
    return _SPATIAL.sub(_swap, text)


def _swap(match: re.Match) -> str:
    side = match["compound"] or match["noun"] or match["place"] or match["pair"]
    swapped = _SIDES[side.lower()]
    cased = swapped.upper() if side.isupper() else swapped.capitalize() if side[0].isupper() else swapped
    return (match["before"] or "") + cased
