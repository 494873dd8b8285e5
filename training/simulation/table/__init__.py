"""Scenes on one table in which several instructions are possible, so that only the words decide what comes next.

A scene's seed gives its things (`layout`), the instructions that are possible in it (`instruction`), and one episode
for each of some of them (`scene_episodes`), all from the same first frame, and more that turn off in mid-motion.
"""

TASK_NAME = "table_scenes"
