"""What frames ask of the model, and what they get: one batch for all cameras and all moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from framepred_ros.node.newest_frames import Frame, Predicted

if TYPE_CHECKING:
    from framepred_ros.node.settings import PredictionSettings
    from framepred_ros.prediction.predictor import FramePredictor


@dataclass(frozen=True)
class Job:
    """A frame to predict from.

    Attributes:
        instruction: in force for it.
        horizon: steps ahead of the prediction.
        strip: steps ahead of the strip's pictures; empty if nobody looks at one.
        past: what the camera saw before, as `FramePredictor.predict` takes it.
    """

    frame: Frame
    instruction: str
    horizon: int
    strip: tuple[int, ...] = ()
    past: Mapping[int, np.ndarray] = field(default_factory=dict)


def predict_jobs(predictor: FramePredictor, jobs: Sequence[Job], settings: PredictionSettings) -> list[Predicted]:
    """Predict for all jobs, in one batch where the engine allows it.

    Raises:
        what `FramePredictor.predict_batch` raises.
    """
    asked = [(index, each) for index, job in enumerate(jobs) for each in dict.fromkeys((job.horizon, *job.strip))]
    # The compiled engine has been warmed up for batches of as many frames as there are cameras.
    size = len(jobs) if predictor.engine == "compile" else len(asked)
    pictures: dict[tuple[int, int], np.ndarray] = {}
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        predicted = predictor.predict_batch(
            [jobs[index].frame.rgb for index, _ in part],
            [jobs[index].instruction for index, _ in part],
            steps=settings.steps,
            seed=settings.seed,
            horizons=[horizon for _, horizon in part],
            histories=[jobs[index].past for index, _ in part],
        )
        pictures.update(zip(part, predicted, strict=True))
    return [
        Predicted(pictures[index, job.horizon], job.horizon, tuple(pictures[index, each] for each in job.strip))
        for index, job in enumerate(jobs)
    ]
