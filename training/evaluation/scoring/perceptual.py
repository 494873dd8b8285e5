"""LPIPS, learned perceptual distance (arXiv 1801.03924), from the optional package `lpips`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def lpips_distance(picture: np.ndarray, truth: np.ndarray) -> float:
    """LPIPS with AlexNet features of two uint8 RGB frames (H, W, 3); 0 for identical ones.

    Raises ValueError when the package is not installed.
    """
    import torch

    tensors = [torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 127.5 - 1 for image in (picture, truth)]
    with torch.inference_mode():
        return float(load_lpips()(*tensors))


@lru_cache(maxsize=1)
def load_lpips():
    """The network, loaded once. Raises ValueError when the package is not installed."""
    try:
        import lpips
    except ImportError:
        raise ValueError("LPIPS needs the package lpips: pip install 'framepred_ros[lpips]'") from None
    return lpips.LPIPS(net="alex", verbose=False)
