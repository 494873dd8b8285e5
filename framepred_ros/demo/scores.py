"""Scores of a recorded task: predictions against the frames that later arrived, beside copying the current frame."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from framepred_ros.demo.recorder import RecordedImage, Recording
from framepred_ros.metrics import psnr, ssim


@dataclass(frozen=True)
class Horizon:
    """How far ahead predictions are: in frames, and in seconds per frame where the checkpoint says."""

    steps: int
    step_duration: float | None

    @property
    def seconds(self) -> float | None:
        """The whole horizon in seconds, where known."""
        return self.step_duration and self.steps * self.step_duration


@dataclass(frozen=True)
class Outcome:
    """A prediction with the frame it was made from and the frame that later arrived. `index` counts frames from 0."""

    index: int
    current: RecordedImage
    predicted: RecordedImage
    actual: RecordedImage


def outcomes(recording: Recording, steps: int) -> list[Outcome]:
    """Match each prediction by its stamp with its frame and with the frame `steps` later, where both were received."""
    by_stamp = {frame.stamp: frame for frame in recording.frames}
    by_number = {frame.number: frame for frame in recording.frames}
    matched = []
    for predicted in recording.predictions:
        current = by_stamp.get(predicted.stamp)
        actual = current and by_number.get(current.number + steps)
        if actual:
            matched.append(Outcome(current.number - 1, current, predicted, actual))
    return matched


def score_recording(recording: Recording, matched: list[Outcome], horizon: Horizon) -> dict:
    """Return one task's entry of summary.json: counts, hertz, latency in seconds, SSIM, PSNR in decibels."""
    latencies = [(each.published - each.stamp) / 1e9 for each in recording.predictions]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # SciPy's filters run outside the interpreter lock
        scores = {
            source: {
                metric.__name__: _mean(pool.map(metric, pictures, [each.actual.rgb for each in matched]))
                for metric in (ssim, psnr)
            }
            for source, pictures in {
                "prediction": [each.predicted.rgb for each in matched],
                "copying_the_current_frame": [each.current.rgb for each in matched],
            }.items()
        }
    return {
        "frames_sent": max(frame.number for frame in recording.frames),
        "frames_received": len(recording.frames),
        "camera_rate": _rate([frame.stamp for frame in recording.frames]),
        "predictions_published": 1 + recording.predictions[-1].number - recording.predictions[0].number,
        "prediction_rate": _rate([prediction.published for prediction in recording.predictions]),
        "latency": {"median": float(np.median(latencies)), "p95": float(np.percentile(latencies, 95))},
        "horizon_steps": horizon.steps,
        "horizon_seconds": horizon.seconds,
        "predictions_scored": len(matched),
        **scores,
    }


def _rate(times: list[int]) -> float | None:
    """Hertz of events at these times (nanoseconds)."""
    return (len(times) - 1) / ((times[-1] - times[0]) / 1e9) if len(times) > 1 else None


def _mean(values: object) -> float | None:
    values = list(values)
    return float(np.mean(values)) if values else None
