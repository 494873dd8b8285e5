"""Importing torch, diffusers and transformers: sooner, and without garbage collections that stop the node later."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def unneeded_packages(checkpoint: Path) -> list[str]:
    """Return the packages that predicting does not need; importing them is a third of importing diffusers.

    peft is for adapters in training, scipy for detection losses and, in diffusers, for a few noise schedules.
    """
    try:
        config = json.loads((checkpoint / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = {}  # opening the checkpoint will report what is wrong with it
    needs_scipy = config.get("_class_name") == "LMSDiscreteScheduler" or config.get("use_beta_sigmas")
    return ["peft"] if needs_scipy else ["peft", "scipy"]


@contextmanager
def hidden(packages: list[str]) -> Iterator[None]:
    """In this block the packages appear to be missing, unless they are imported already.

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
    """No garbage is collected during the block, and objects that live at its end are never searched for garbage.

    Meant for loading a model. With torch and diffusers loaded, a full collection stops every thread for some 0.7 s. It
    happens several times while they are imported, and now and then afterwards.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
