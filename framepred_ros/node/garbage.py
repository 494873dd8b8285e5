"""Python's garbage collector, kept from what lives as long as the process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
