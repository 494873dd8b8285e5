"""Writes the checkpoint folder and its model card, and measures the checkpoint on held-out episodes."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffusers.training_utils import EMAModel

from framepred_ros.checkpoint import CheckpointInfo, write_checkpoint_info
from framepred_ros.patch_autoencoder import PatchAutoencoder
from framepred_ros.predictor import FramePredictor
from training.dataset_index import DatasetManifest, Row
from training.evaluation.grid import write_grid
from training.evaluation.measure import MeasureOptions, measure, predict_row
from training.evaluation.scores import summarize
from training.small.model import build_pipeline
from training.small.recipe import Recipe, to_dict
from training.small.trainer import DenoisingModel

CHECKPOINT = "checkpoint"
BATCH_SIZE = 8


class CheckpointWriter:
    """Saves the averaged weights as a checkpoint folder, then measures that very folder.

    Args:
        rows: held-out pairs to measure on, at least one.
    """

    def __init__(
        self,
        recipe: Recipe,
        manifest: DatasetManifest,
        output: Path,
        vae: PatchAutoencoder,
        tokenizer,
        scheduler,
        rows: Sequence[Row],
        device: str,
    ):
        self.recipe, self.manifest, self.output = recipe, manifest, output
        self.vae, self.tokenizer, self.scheduler = vae, tokenizer, scheduler
        self.rows, self.device = list(rows), device

    def write(self, model: DenoisingModel, ema: EMAModel, step: int) -> dict[str, Any]:
        """Writes `checkpoint/` and `validation/step_*.png` in the output folder; returns the measured summary."""
        temporary = self.output / f".{CHECKPOINT}.{os.getpid()}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        self._save_weights(temporary, model, ema)
        info = self._info(step)
        write_checkpoint_info(temporary, info)
        predictor = FramePredictor.from_pretrained(temporary, device=self.device)
        measured = measure(predictor, self.rows, MeasureOptions(batch_size=BATCH_SIZE))
        summary = summarize(measured.scores)
        metrics = {"step": step, "validation": summary}
        write_checkpoint_info(temporary, replace(info, metrics=metrics))
        card = model_card(self.recipe, self.manifest, summary, step, _size_in_megabytes(temporary))
        (temporary / "README.md").write_text(card, encoding="utf-8")
        _replace_folder(temporary, self.output / CHECKPOINT)
        self._draw(predictor, measured.scores, step)
        return summary

    def _save_weights(self, folder: Path, model: DenoisingModel, ema: EMAModel) -> None:
        averaged = copy.deepcopy(model).cpu()
        ema.copy_to(averaged.parameters())
        vae = copy.deepcopy(self.vae).cpu()
        pipeline = build_pipeline(
            vae.half(), averaged.text_encoder.half(), self.tokenizer, averaged.unet.half(), self.scheduler
        )
        pipeline.save_pretrained(folder)

    def _info(self, step: int) -> CheckpointInfo:
        return CheckpointInfo(
            resolution=self.recipe.resolution,
            horizon=self.manifest.horizon,
            step_duration=self.manifest.step_duration,
            steps=1,
            one_step_noise=self.recipe.loss.last_timestep_noise,
            prediction_target="difference",
            difference_channels=self.recipe.difference_channels,
            compositing=self.recipe.compositing,
            tasks=tuple(self.manifest.tasks),
            recipe=to_dict(self.recipe),
        )

    def _draw(self, predictor: FramePredictor, scores, step: int) -> None:
        folder = self.output / "validation"
        folder.mkdir(exist_ok=True)
        write_grid(
            folder / f"step_{step:06d}.png",
            scores,
            lambda row: predict_row(predictor, row, MeasureOptions()),
            f"{self.manifest.horizon} steps",
        )


def _replace_folder(new: Path, target: Path) -> None:
    """Puts a finished folder in place of an older one, with no moment at which half a folder is there."""
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _size_in_megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def format_summary(summary: dict[str, Any]) -> str:
    """The measured summary as a Markdown table, SSIM / PSNR in dB per task."""
    lines = ["| task | pairs | prediction | copying the current frame |", "|---|---|---|---|"]
    for name, values in [*summary["tasks"].items(), ("overall", summary["overall"])]:
        cells = [
            f"{values[subject]['ssim']['mean']:.3f} / {values[subject]['psnr']['mean']:.1f}"
            for subject in ("prediction", "copy")
        ]
        lines.append(f"| {name} | {values['pairs']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def model_card(recipe: Recipe, manifest: DatasetManifest, summary: dict[str, Any], step: int, megabytes: float) -> str:
    """The README.md of a checkpoint folder."""
    counts, kept = manifest.splits["train"], recipe.validation.episodes_per_task
    height, width = recipe.resolution
    return f"""---
license: apache-2.0
library_name: diffusers
---
# {recipe.name}: the camera frame {manifest.horizon} steps ahead

Predicts, from a robot camera's current frame and an instruction, the frame {manifest.horizon} steps
({manifest.horizon * manifest.step_duration:g} s) later. An InstructPix2Pix model in diffusers' layout with a linear
patch autoencoder, {megabytes:.1f} MB, working at {width}x{height}; `framepred.json` says how to run it.

```python
from framepred_ros import FramePredictor

predictor = FramePredictor.from_pretrained("path/to/this/folder")
future = predictor.predict(image, "hit the block with the hammer")  # uint8 RGB (H, W, 3) in and out
```

Tasks: {", ".join(manifest.tasks)}. Scenes, cameras and instructions unlike the training data's are not predicted well.

## Training
```
python -m training.train --recipe recipe.yaml --dataset DATASET --output OUTPUT
```
`recipe.yaml` lies in the output folder; seed {recipe.seed}, {step} steps of {recipe.optimization.batch_size} pairs.
Dataset: {counts["episodes"]} training episodes, {counts["pairs"]} pairs, split by episode with seed {manifest.seed};
{kept} of them per task were kept for validation.

## Measured on the validation episodes
SSIM / PSNR in dB against the true frame {manifest.horizon} steps later, at the camera's resolution.
The test split is not used here; `python -m training.evaluate` measures it.

{format_summary(summary)}
"""
