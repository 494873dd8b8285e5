"""The replay camera's parameters: the only place where their defaults are written."""

from __future__ import annotations

from framepred_ros.ros.parameters import Changeable, ParameterSpec

CAMERA_PARAMETERS = (
    ParameterSpec(
        "task",
        "block_hammer_beat",
        "Task whose shipped episode is played.",
        changeable=Changeable.AT_START,
    ),
    ParameterSpec("bag", "", "Path of a bag to play instead of a shipped episode.", changeable=Changeable.AT_START),
    ParameterSpec(
        "bag_topic", "", "Image topic in the bag, needed only if it has several.", changeable=Changeable.AT_START
    ),
    ParameterSpec(
        "loop",
        False,
        "Start again at the end of the episode instead of ending; the first stamp is then just below the last one.",
    ),
    ParameterSpec(
        "wait_for_subscribers",
        0,
        "Start once this many subscriptions listen to the image topic.",
        "",
        0,
        100,
        changeable=Changeable.AT_START,
    ),
)
