"""Importing torch, diffusers and transformers: sooner, and without garbage collections that stop the node later."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def unneeded_packages(checkpoint: Path) -> list[str]:
    """Return what predicting with a checkpoint can do without: a third of the time that importing diffusers takes.

    peft is for adapters in training, scipy for detection losses and, in diffusers, for a few noise schedules.
    """
    try:
        config = json.loads((checkpoint / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = {}  # opening the checkpoint will say what is wrong with it
    needs_scipy = config.get("_class_name") == "LMSDiscreteScheduler" or config.get("use_beta_sigmas")
    return ["peft"] if needs_scipy else ["peft", "scipy"]


@contextmanager
def hidden(packages: list[str]) -> Iterator[None]:
    """During the block the packages seem not to be installed, unless they are imported already.

    diffusers and transformers ask once, when they are imported, and go on without them for as long as the process
    lives. Where one of the two is imported already nothing is hidden: it knows of them and will import them.
    """
    asked = {"diffusers", "transformers"} & sys.modules.keys()
    absent = [] if asked else [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


@contextmanager
def lasting_objects() -> Iterator[None]:
    """No garbage is collected during the block, and what lives at its end is never searched for garbage again.

    For loading a model: with all that torch and diffusers bring, a full collection stops every thread for some 0.7 s,
    several times while they are imported and now and then for ever after.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
