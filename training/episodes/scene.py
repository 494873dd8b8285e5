"""What is known of the scene that an episode plays in, where several instructions are possible in one scene.

`scene_info.json` of `training.simulate` says it per episode, under "scene":

    {"number": int, "verb": str, "roles": {role: str}, "held_out": bool,
     "branch_of": int or null, "branch_frame": int or null}
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Scene:
    """The scene of an episode, and what is done in it.

    Attributes:
        number: of the scene within its task. Episodes of one scene that are no branches start from the same frame:
            they are twins.
        verb: what is done, such as "stack" or "still".
        roles: with what, such as {"top": "red", "bottom": "blue"}.
        held_out: whether this combination of verb and roles is kept for tests.
        branch_of: number of the episode, of the same task, that this one branches off from; None for none.
        branch_frame: index of that episode's frame which is frame 0 of this one.
    """

    number: int
    verb: str
    roles: dict[str, str] = field(default_factory=dict)
    held_out: bool = False
    branch_of: int | None = None
    branch_frame: int | None = None

    def renumbered(self, offset: int) -> Scene:
        """The same scene where all numbers of its source have `offset` added."""
        parent = None if self.branch_of is None else self.branch_of + offset
        return replace(self, number=self.number + offset, branch_of=parent)


def parse_scene(content: Any) -> Scene:
    """The scene of one episode from its JSON form, fields of later versions ignored. Raises ValueError in one line."""
    if not isinstance(content, dict):
        raise ValueError("the scene is not an object")
    number, verb, roles = content.get("number"), content.get("verb"), content.get("roles", {})
    if not _is_count(number) or not isinstance(verb, str) or not verb:
        raise ValueError("the scene needs a number from 0 and a verb")
    if not isinstance(roles, dict) or not all(isinstance(each, str) for pair in roles.items() for each in pair):
        raise ValueError("the scene's roles are not texts by role")
    if not isinstance(content.get("held_out", False), bool):
        raise ValueError("held_out of the scene is neither true nor false")
    parent, frame = content.get("branch_of"), content.get("branch_frame")
    if (parent is None) != (frame is None) or not all(each is None or _is_count(each) for each in (parent, frame)):
        raise ValueError("branch_of and branch_frame of the scene go together, numbers from 0, or both null")
    return Scene(number, verb, dict(roles), content.get("held_out", False), parent, frame)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
