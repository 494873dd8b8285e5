"""How an instruction is worded for a model: as in the dataset, by a template, or by a preset of wordings per task."""

from __future__ import annotations

from training.dataset.index import Row

PRESETS = {
    "paper": {
        "block_hammer_beat": "generate an image of a robotic arm hitting the red block with a hammer",
        "block_handover": "generate an image of a robotic arm handing over the block",
        "blocks_stack_easy": "generate an image of a robotic arm stacking blocks",
    }
}
"""Wordings by preset and task. "paper" is for models that were never trained on robots: "Since these two models were
not specifically trained for temporal sequence modeling of robotic arm trajectories, we did not use instructions like
'predict the image 50 frames later.' Instead, we used alternative prompts" (section 4.4)."""


def word_prompt(wording: str | None, row: Row) -> str:
    """The prompt for a row.

    Args:
        wording: None for the row's own instruction, the name of a preset, or a template in which `{prompt}` and
            `{task}` are replaced.

    Raises:
        ValueError: the preset does not know the task, or the template has other fields.
    """
    if wording is None:
        return row.prompt
    if wording in PRESETS:
        if row.task not in PRESETS[wording]:
            raise ValueError(f"the prompt preset {wording!r} has no wording for the task {row.task!r}; use a template")
        return PRESETS[wording][row.task]
    try:
        return wording.format(prompt=row.prompt, task=row.task)
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"prompts: {wording!r} is neither a preset nor a template of {{prompt}}, {{task}}") from error
