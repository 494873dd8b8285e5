"""The names of the engines, which run a checkpoint's UNet: known before any of them is imported."""

from __future__ import annotations

ENGINES = ("auto", "fast", "compile", "openvino", "diffusers")
OPENVINO_PARAMETERS = range(1_000_000, 200_000_000)
"""Sizes of the UNets for which "auto" takes OpenVINO on a CPU. Smaller ones are not worth the seconds of tracing;
larger ones gain a quarter, and nobody expects gigabytes in the cache unasked."""


def check_engine(engine: str) -> None:
    """Raises ValueError unless there is an engine of that name."""
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, not {engine!r}")
