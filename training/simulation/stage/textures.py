"""Textures drawn from a seed: grain, stripes, tiles and spots between two colours."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

KINDS = ("wood", "noise", "stripes", "tiles")
SIZE = 128  # pixels


@dataclass(frozen=True)
class Texture:
    """`kind` is one of `KINDS`; colours are RGB in 0..1; `repeat` is how often it repeats per metre."""

    kind: str
    colour: tuple[float, float, float]
    second: tuple[float, float, float]
    repeat: float
    seed: int


def texture_png(texture: Texture) -> bytes:
    """The texture as a PNG file of `SIZE` x `SIZE` pixels; equal textures give equal pictures."""
    share = _PATTERNS[texture.kind](np.random.default_rng(texture.seed))[..., None]
    colours = (1 - share) * np.asarray(texture.colour) + share * np.asarray(texture.second)
    file = io.BytesIO()
    Image.fromarray(np.uint8(np.clip(colours, 0, 1) * 255)).save(file, "png")
    return file.getvalue()


def _smooth_noise(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Values in 0..1 (SIZE, SIZE), smooth between rows x columns random ones, the same at opposite edges."""
    coarse = Image.fromarray(np.tile(rng.random((rows, columns), dtype=np.float32), (3, 3)))
    wide = np.asarray(coarse.resize((3 * SIZE, 3 * SIZE), Image.Resampling.BICUBIC))
    return np.clip(wide[SIZE : 2 * SIZE, SIZE : 2 * SIZE], 0, 1)


def _noise(rng: np.random.Generator) -> np.ndarray:
    return 0.5 * _smooth_noise(rng, 4, 4) + 0.3 * _smooth_noise(rng, 16, 16) + 0.2 * _smooth_noise(rng, 64, 64)


def _wood(rng: np.random.Generator) -> np.ndarray:
    bend = _smooth_noise(rng, 3, 3)
    rings = (np.linspace(0, rng.integers(4, 10), SIZE, endpoint=False)[:, None] + 1.5 * bend) % 1.0
    return 0.7 * np.abs(2 * rings - 1) + 0.3 * _smooth_noise(rng, 64, 4)


def _stripes(rng: np.random.Generator) -> np.ndarray:
    waves = np.linspace(0, rng.integers(2, 9), SIZE, endpoint=False) % 1.0
    stripes = np.tile(np.float64(waves < rng.uniform(0.2, 0.8)), (SIZE, 1))
    return stripes if rng.random() < 0.5 else stripes.T


def _tiles(rng: np.random.Generator) -> np.ndarray:
    count = int(rng.integers(2, 6))
    place = np.linspace(0, count, SIZE, endpoint=False)
    joint = np.float64((place % 1.0) < 0.08)
    tints = 0.35 * rng.random((count, count))[np.ix_(place.astype(int), place.astype(int))]
    return np.maximum(tints, np.maximum(joint[:, None], joint[None, :]))


_PATTERNS = {"wood": _wood, "noise": _noise, "stripes": _stripes, "tiles": _tiles}
