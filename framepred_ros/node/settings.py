"""The parameters that may change from one prediction to the next, read together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class PredictionSettings:
    """What a batch is predicted and published with; read once, when the batch is taken.

    Attributes:
        steps, seed: as FramePredictor takes them; steps None: the checkpoint's own number.
        horizon: steps ahead; None: the checkpoint's main one.
        horizons: steps ahead of the strip's pictures; empty: no strip.
        skip_unchanged: threshold of `LastPredictions` in levels of 255; 0: a new prediction from every frame.
        stamp: "source" or "predicted", see the parameter.
        jpeg_quality: 1 to 100.
    """

    steps: int | None = None
    seed: int = 0
    horizon: int | None = None
    horizons: tuple[int, ...] = ()
    skip_unchanged: int = 0
    stamp: str = "source"
    jpeg_quality: int = 90


def read_settings(node: Any) -> PredictionSettings:
    """Return the values that the node's parameters have now."""
    values = {field.name: node.get_parameter(field.name).value for field in fields(PredictionSettings)}
    values |= {name: values[name] or None for name in ("steps", "horizon")}
    return PredictionSettings(**values | {"horizons": tuple(values["horizons"])})
