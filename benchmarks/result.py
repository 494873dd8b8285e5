"""What a prediction benchmark measured of one way to run one model."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.stages import Timing


@dataclass(frozen=True)
class Result:
    """One way to run one model. Memory is the process's (or the GPU's) peak in bytes; scores are means over pairs."""

    model: str
    path: str
    steps: int
    guided: bool
    timing: Timing
    memory: int
    ssim: float | None
    psnr: float | None
