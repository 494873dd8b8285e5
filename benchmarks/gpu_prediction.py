"""Parts of the day with a GPU: compositing there beside OpenCV's, and how fast predictions are."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

import cv2
import numpy as np
import torch
from tqdm import tqdm
from transformers import CLIPTokenizer

from benchmarks.floor import Floor, best_seconds, measure_floor
from benchmarks.full_size import FULL, TINY, full_size_predictor
from benchmarks.gpu_journal import Journal
from benchmarks.memory import peak_memory, used_memory
from framepred_ros.prediction.checkpoint import read_checkpoint_info, shipped_checkpoint
from framepred_ros.prediction.imaging_torch import DeviceImaging, HostImaging
from framepred_ros.prediction.predictor import FramePredictor
from framepred_ros.prediction.torch_predictor import TorchPredictor

INSTRUCTION = "hit the block with the hammer"
CAMERAS = 8
MOST_LEVELS, MOST_SHARE = 3, 1e-3
"""How far the two ways may be apart: by more than one level in no more of the pixels, and by no more levels there."""


def measure_compositing(journal: Journal, device: torch.device, small: bool) -> None:
    """Makes frames from the same pictures with OpenCV and on the device, and holds one against the other."""
    options = read_checkpoint_info(shipped_checkpoint()).compositing
    size = (48, 64) if small else (240, 320)
    before, after = _pictures(4, size)
    host, on_device = HostImaging(), DeviceImaging(device)
    for scale in tqdm((1, 2), desc="cameras", unit="size"):
        height, width = (scale * side for side in size)
        name = f"{width}x{height}"
        with journal.attempt(name):
            frames = _frames(len(before), (height, width))
            loaded = host.load(frames, size).float() - on_device.load(frames, size).cpu()
            given = [picture.to(device) for picture in (after, before, after)]
            expected = np.stack(host.composite(frames, after, before, after, options))
            frame = np.stack(on_device.composite(frames, *given, options))
            apart = np.abs(frame.astype(int) - expected)
            share, largest = float((apart.max(axis=-1) > 1).mean()), int(apart.max())
            if largest > MOST_LEVELS or share > MOST_SHARE:
                journal.fail(f"{name}: {largest} levels apart, {1e3 * share:.2f} pixels of a thousand by more than one")
            beside = f"{1e3 * share:.2f} pixels of a thousand by more than one level"
            details = {"share_above_one": share, "loaded": float(loaded.abs().max())}
            journal.put(f"{name}, frames apart", largest, "levels", beside, **details)
            seconds = best_seconds(lambda f=frames, g=given: on_device.composite(f, *g, options), device) / len(frames)
            opencv = best_seconds(lambda f=frames: host.composite(f, after, before, after, options), device)
            journal.put(f"{name}, a frame", 1e3 * seconds, "ms", f"OpenCV {1e3 * opencv / len(frames):.2f} ms")


def _pictures(count: int, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Blurred noise, and the same with a changed part: float32 (N, 3, h, w) in 0..255."""
    generator = np.random.default_rng(0)
    noise = generator.uniform(0, 255, (count, *size, 3)).astype(np.float32)
    before = np.stack([cv2.GaussianBlur(picture, (0, 0), 2) for picture in noise]).transpose(0, 3, 1, 2)
    after = before.copy()
    middle = np.s_[:, :, size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2]
    after[middle] += generator.normal(0, 40, after[middle].shape)
    return torch.from_numpy(before.copy()), torch.from_numpy(after.clip(0, 255))


def _frames(count: int, size: tuple[int, int]) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 256, (count, *size, 3), np.uint8))


def measure_predictions(journal: Journal, device: torch.device, small: bool) -> None:
    """Predicts with the shipped model and with one of full size, what has to be compiled last."""
    tokenizer = CLIPTokenizer.from_pretrained(shipped_checkpoint() / "tokenizer")
    dtype, size = (torch.float32 if device.type == "cpu" else torch.float16), (TINY if small else FULL)
    models: dict[str, Callable[[], TorchPredictor]] = {
        "shipped": lambda: FramePredictor.from_pretrained(shipped_checkpoint(), str(device), dtype, "fast"),
        "full size": lambda: full_size_predictor(tokenizer, device, dtype, size),
    }
    for name, load in tqdm(models.items(), desc="models", unit="model"):
        with journal.attempt(name):
            # The tiny model has as many layers as the full one, so it takes as long to compile: minutes on a CPU.
            _measure_model(journal, name, load, device, small, compiled=not small or name == "shipped")
        torch.compiler.reset()  # it keeps what was compiled, with its weights
        gc.collect()


def _measure_model(
    journal: Journal, name: str, load: Callable[[], TorchPredictor], device: torch.device, small: bool, compiled: bool
) -> None:
    before = used_memory(device)
    model = load()
    floor = measure_floor(model, _frames(1, (240, 320))[0], INSTRUCTION)
    beside = f"{floor.operations / 1e9:.4g} Gflop at {floor.operations_per_second / 1e12:.4g} Tflop/s"
    journal.put(f"{name}, floor", 1e3 * floor.seconds, "ms", beside, **asdict(floor))
    for cameras in (1, CAMERAS):
        label = f"{name}, fast" + (f", {cameras} cameras" if cameras > 1 else "")
        _measure_engine(journal, label, model, before, cameras, small, floor if cameras == 1 else None)
    if compiled:  # from here on the weights are laid out otherwise: no more of the other engine
        parts = model.vae, model.text_encoder, model.tokenizer, model.unet, model.scheduler
        model = TorchPredictor(*parts, model.info, "compile")
        _measure_engine(journal, f"{name}, compile", model, before, 1, small, floor)


def _measure_engine(
    journal: Journal, name: str, model: TorchPredictor, before: int, cameras: int, small: bool, floor: Floor | None
) -> None:
    """Times predictions of whole frames, there and back; the memory is what weights and work take together."""
    frames, calls = _frames(cameras, (240, 320)), 3 if small else 50
    started = time.perf_counter()
    with peak_memory(model.device) as memory:
        for _ in range(3):  # compiles, records a CUDA graph, chooses kernels
            model.predict_batch(frames, [INSTRUCTION] * cameras)
        warm_up = time.perf_counter() - started
        seconds = _seconds(model, frames, calls)
    median, mebibytes = statistics.median(seconds), (memory.peak - before) / 2**20
    share = f"{100 * floor.seconds / median:.0f} % of the floor's speed; " if floor else ""
    beside = f"{share}{1e3 * median:.2f} ms a call, peak {mebibytes:,.0f} MiB, warm-up {warm_up:.1f} s"
    details = {"seconds": seconds, "bytes": memory.peak - before, "warm_up_seconds": warm_up, "dtype": str(model.dtype)}
    journal.put(name, cameras / median, "predictions a second", beside, **details)


def _seconds(model: TorchPredictor, frames: Sequence[np.ndarray], calls: int) -> list[float]:
    """Of each call; it ends when the frames are back in the host's memory."""
    seconds = []
    for _ in range(calls):
        started = time.perf_counter()
        model.predict_batch(frames, [INSTRUCTION] * len(frames))
        seconds.append(time.perf_counter() - started)
    return seconds
