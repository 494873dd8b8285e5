"""Live prediction of a robot camera's future frame from the current frame and an instruction.

The names below load on first use, so that `import framepred_ros` costs nothing. `FramePredictor` needs torch only for
checkpoints that nothing else can run; `PatchAutoencoder` is a module of torch.
"""

import os

# OpenMP threads that wait for each other busily are ruinous when a robot's other processes want the cores too: on two
# busy cores a prediction took 2.2 s, and 0.1 s with threads that sleep. OpenMP reads this once, when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_PUBLIC = {
    "FramePredictor": "framepred_ros.prediction.predictor",
    "PatchAutoencoder": "framepred_ros.patch_autoencoder",
}

__all__ = list(_PUBLIC)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module 'framepred_ros' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)


def __dir__():
    return sorted([*globals(), *_PUBLIC])
