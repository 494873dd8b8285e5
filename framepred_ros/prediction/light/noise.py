"""PyTorch's normally distributed noise without PyTorch."""

from __future__ import annotations

import numpy as np

BLOCK = 16  # values that PyTorch makes together; it draws fewer in another way
MANTISSA = 2**24 - 1  # mask of the bits of a random word that become a float32


def normal_noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """What `torch.randn(shape, generator=torch.Generator().manual_seed(seed))` gives on a CPU, but for rounding.

    The generator is the Mersenne Twister; each block of 16 uniform values becomes normal by the transform of Box and
    Muller, with the first eight as radii and the others as angles. Source: pytorch/pytorch,
    aten/src/ATen/native/cpu/DistributionTemplates.h, `normal_fill`.

    Args:
        shape: of at least 16 values.
        seed: of which, as there, the lower 32 bits count.

    Returns:
        float32.
    """
    count = int(np.prod(shape))
    if count < BLOCK:
        raise ValueError(f"shape must have at least {BLOCK} values, not {shape}")
    generator = np.random.RandomState(seed % 2**32)._bit_generator
    values = _uniform(generator, count)
    whole = count - count % BLOCK
    values[:whole] = _normal(values[:whole])
    if whole < count:  # PyTorch makes the last 16 values anew
        values[-BLOCK:] = _normal(_uniform(generator, BLOCK))
    return values.reshape(shape)


def _uniform(generator: np.random.BitGenerator, count: int) -> np.ndarray:
    """float32 (count,) in [0, 1)."""
    words = generator.random_raw(count).astype(np.uint32)
    return (words & MANTISSA).astype(np.float32) * np.float32(2**-24)


def _normal(uniform: np.ndarray) -> np.ndarray:
    """float32 (count,) of uniform values, a multiple of 16 of them."""
    radii, angles = uniform.reshape(-1, 2, BLOCK // 2).transpose(1, 0, 2)
    radii = np.sqrt(np.float32(-2) * np.log(np.float32(1) - radii))
    angles = np.float32(2 * np.pi) * angles
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1).reshape(-1)
