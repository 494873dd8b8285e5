"""Live prediction of a robot camera's future frame from the current frame and an instruction.

The names below load on first use, so that `import framepred_ros` costs nothing and the ROS side starts without torch.
"""

_PUBLIC = {
    "FramePredictor": "framepred_ros.predictor",
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
