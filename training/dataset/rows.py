"""The rows of a dataset, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from training.dataset.index import DatasetManifest, EpisodeRecord
from training.dataset.pairs import choose_phrasings, future_frame
from training.dataset.plan import episode_size, phrasings_for
from training.dataset.selection import Selection


def episode_rows(
    record: EpisodeRecord, manifest: DatasetManifest, selection: Selection
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (split, row) for every row of an episode, by frame within a split.

    `input_image` and `edited_image` of a row are indices of frames. The first three columns are in the order that
    diffusers' InstructPix2Pix example (examples/instruct_pix2pix) goes by when it is not told their names.
    """
    for split, starts in selection.pairs(episode_size(record)).items():
        phrasing, sentences = phrasings_for(record, split)
        for start in starts:
            key = (record.task, record.number, start)
            for prompt in choose_phrasings(sentences, manifest.seed, *key, manifest.instructions_per_pair):
                yield (
                    split,
                    {
                        "input_image": start,
                        "edit_prompt": prompt,
                        "edited_image": future_frame(start, manifest.horizon, record.frames),
                        "task": record.task,
                        "episode": record.number,
                        "frame": start,
                        "phrasing": phrasing,
                    },
                )
