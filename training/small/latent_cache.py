"""Every frame's latents, computed once: the autoencoder is frozen and deterministic, so training never needs pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from framepred_ros.patch_autoencoder import PatchAutoencoder
from training.small.autoencoder import read_pixels

CHUNK = 32


def cache_latents(
    folder: Path, frames: Sequence[Path], vae: PatchAutoencoder, resolution: tuple[int, int]
) -> np.ndarray:
    """Latents of all frames, float16 (F, C, h, w), memory-mapped from a file in `folder`.

    The file's name is a digest of the frames and the autoencoder: another run with the same ones reuses it, and
    whatever else changes makes a new one.
    """
    path = folder / f"latents_{_digest(frames, vae, resolution)}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, frames, vae, resolution)
    return np.load(path, mmap_mode="r")


def _write(path: Path, frames, vae, resolution) -> None:
    patch = vae.config.patch_size
    shape = (len(frames), vae.config.latent_channels, resolution[0] // patch, resolution[1] // patch)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    latents = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
    with tqdm(total=len(frames), desc="encoding frames", unit="frame") as bar, torch.inference_mode():
        for start in range(0, len(frames), CHUNK):
            chunk = frames[start : start + CHUNK]
            pixels = read_pixels(chunk, resolution).to(vae.device)
            latents[start : start + len(chunk)] = vae.encode(pixels).latent_dist.mode().cpu().numpy()
            bar.update(len(chunk))
    latents.flush()
    temporary.replace(path)


def _digest(frames, vae, resolution) -> str:
    digest = hashlib.sha256(repr(tuple(resolution)).encode())
    for tensor in (vae.components, vae.mean, vae.std):
        digest.update(tensor.detach().cpu().numpy().tobytes())
    for frame in frames:
        status = os.stat(frame)
        digest.update(f"{frame}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
