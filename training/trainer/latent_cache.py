"""Every frame's latents and every instruction's embedding, computed once: autoencoder and text encoder are frozen.

A cache is a memory-mapped file named after a digest of the weights and the data: another run with the same ones uses
it again, whatever else changes makes a new one, and it can be thrown away at any time.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from framepred_ros.files import replacing
from framepred_ros.pictures import resize_frame
from training.dataset.stored_pairs import read_frame

CHUNK = 32
MOST_LOADERS = 8  # threads; each holds a chunk or two


def read_pixels(paths: Sequence[Path], resolution: tuple[int, int]) -> torch.Tensor:
    """Frames as float32 (N, 3, H, W) in [-1, 1], resized exactly as `FramePredictor` does."""
    frames = np.stack([resize_frame(read_frame(path), resolution) for path in paths])
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1


def cache_latents(
    folder: Path,
    frames: Sequence[Path],
    vae,
    resolution: tuple[int, int],
    dtype: type = np.float16,
    mirrored: bool = False,
) -> np.ndarray:
    """Latents of all frames, (F, V, K, h, w), from a file in `folder`.

    V is 2 where the mirrored frames are wanted too, else 1. K holds the posterior's mean, then its standard deviation,
    C channels each; of a deterministic autoencoder only the mean. Latents are without the scaling factor.
    """
    identity = [repr((tuple(resolution), np.dtype(dtype).name, mirrored)), *map(_file_identity, frames)]

    def load(chunk: Sequence[Path]) -> torch.Tensor:
        return read_pixels(chunk, resolution)

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        pixels = pixels.to(vae.device, vae.dtype)
        variants = (pixels, pixels.flip(-1)) if mirrored else (pixels,)
        return torch.stack([_posterior(vae, variant) for variant in variants], dim=1)

    return _cached(folder, "latents", identity, vae, frames, load, encode, dtype, "frame")


def cache_embeddings(folder: Path, texts: Sequence[str], tokenizer, text_encoder, dtype: type) -> np.ndarray:
    """The text encoder's output for each text, (T, length, hidden), from a file in `folder`."""
    identity = [np.dtype(dtype).name, str(tokenizer.model_max_length), *texts]

    def load(chunk: Sequence[str]) -> torch.Tensor:
        return tokenize(tokenizer, chunk)

    def encode(tokens: torch.Tensor) -> torch.Tensor:
        return text_encoder(tokens.to(text_encoder.device))[0]

    return _cached(folder, "embeddings", identity, text_encoder, texts, load, encode, dtype, "text")


def drawn_latents(latents: np.ndarray, frames: np.ndarray, mirrored: np.ndarray) -> torch.Tensor:
    """Cached latents of drawn frames, float32.

    Args:
        latents: (F, V, K, h, w) from `cache_latents`.
        frames: indices (B,), or (B, S); zeros stand for a negative one.
        mirrored: which of the B samples are mirrored.

    Returns:
        (B, K, h, w), or (B, S, K, h, w).
    """
    variants = mirrored.astype(int).reshape(-1, *[1] * (frames.ndim - 1))
    drawn = torch.from_numpy(latents[np.maximum(frames, 0), variants]).float()
    there = torch.from_numpy(frames >= 0)
    return drawn * there.view(*there.shape, 1, 1, 1)


def tokenize(tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Token numbers (T, length), padded and cut to the tokenizer's length."""
    length = tokenizer.model_max_length
    return tokenizer(
        list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids


def _posterior(vae, pixels: torch.Tensor) -> torch.Tensor:
    posterior = vae.encode(pixels).latent_dist
    mean = posterior.mode()
    return mean if posterior.deterministic else torch.cat([mean, posterior.std], dim=1)


def _cached(
    folder: Path,
    name: str,
    identity: Sequence[str],
    model,
    items: Sequence,
    load: Callable[[Sequence], torch.Tensor],
    encode: Callable[[torch.Tensor], torch.Tensor],
    dtype: type,
    unit: str,
) -> np.ndarray:
    path = folder / f"{name}_{_digest(model, identity)}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, items, load, encode, dtype, unit)
    return np.load(path, mmap_mode="r")


def _write(path: Path, items: Sequence, load: Callable, encode: Callable, dtype: type, unit: str) -> None:
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    target = None
    bar = tqdm(total=len(items), desc=f"encoding {unit}s", unit=unit)
    with replacing(path) as temporary, bar, torch.inference_mode():
        for start, loaded in zip(range(0, len(items), CHUNK), _ahead(load, chunks), strict=True):
            encoded = encode(loaded).float().cpu().numpy()
            if target is None:
                shape = (len(items), *encoded.shape[1:])
                target = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
                _reserve(temporary)
            target[start : start + len(encoded)] = encoded
            bar.update(len(encoded))
        target.flush()


def _ahead(load: Callable[[Sequence], torch.Tensor], chunks: Sequence[Sequence]) -> Iterator[torch.Tensor]:
    """Yields `load(chunk)` in order; the next ones are loaded by threads meanwhile, as many as there are processors."""
    threads = min(MOST_LOADERS, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads, "loader")
    waiting: deque[Future] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(load, chunk))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _reserve(path: Path) -> None:
    """Takes the file's space at once: a disk that fills up under a memory map would end the process by a signal."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise OSError(f"{path.parent}: no room for the cache of {size / 2**20:.0f} MiB: {error}") from error


def _file_identity(path: Path) -> str:
    status = os.stat(path)
    return f"{path}\0{status.st_size}\0{status.st_mtime_ns}"


def _digest(model, identity: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().float().cpu().numpy().tobytes())
    for entry in identity:
        digest.update(entry.encode() + b"\n")
    return digest.hexdigest()[:16]
