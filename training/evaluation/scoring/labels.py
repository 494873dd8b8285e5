"""How the subjects of an evaluation are called where people read it."""

from __future__ import annotations

_LABELS = {
    "prediction_with_past": "prediction, with the past",
    "copy": "copying",
    "reconstruction": "autoencoder ceiling",
}


def subject_label(name: str) -> str:
    """The name of a predictor in tables; a study's names are the study's own."""
    return _LABELS.get(name, name)
