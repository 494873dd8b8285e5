"""The README.md of a checkpoint folder."""

from __future__ import annotations

from typing import Any

from training.dataset.index import DatasetManifest
from training.trainer.models import DistilledModel, PretrainedModel, SmallModel
from training.trainer.recipe import Recipe


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
    """The card: what the model does, how to run it, what it was trained on and how, and its scores."""
    counts, kept = manifest.splits["train"], recipe.validation.episodes_per_task
    height, width = recipe.resolution
    optimization = recipe.optimization
    return f"""---
{_header(recipe.model)}
---
# {recipe.name}: the camera frame {manifest.horizon} steps ahead

Predicts, from a robot camera's current frame and an instruction, the frame {manifest.horizon} steps
({manifest.horizon * manifest.step_duration:g} s) later. {_origin(recipe.model)}, {megabytes:.1f} MB, working at
{width}x{height}; `framepred.json` says how to run it.

```python
from framepred_ros import FramePredictor

predictor = FramePredictor.from_pretrained("path/to/this/folder")
future = predictor.predict(image, "hit the block with the hammer")  # uint8 RGB (H, W, 3) in and out
```

Tasks: {", ".join(manifest.tasks)}. Scenes, cameras and instructions unlike the training data's are not predicted well.

## Training
```
{_command(recipe.model)} --recipe recipe.yaml --dataset DATASET --output OUTPUT
```
`recipe.yaml` lies in the output folder; seed {recipe.seed}, {step} steps of
{optimization.batch_size * optimization.gradient_accumulation} pairs on each process.
Dataset: {counts["episodes"]} training episodes, {counts["pairs"]} pairs, split by episode with seed {manifest.seed};
{kept} of them per task and source were kept for validation. The loss, and its running average over 50 steps:

![Training loss](loss.png)

## Measured on the validation episodes
SSIM / PSNR in dB against the true frame {manifest.horizon} steps later, at the camera's resolution.
The test split is not used here; `python -m training.evaluate` measures it.

{format_summary(summary)}
"""


Model = SmallModel | PretrainedModel | DistilledModel


def _command(model: Model) -> str:
    if isinstance(model, DistilledModel):
        return f"python -m training.distill --teacher {model.weights}"
    return "python -m training.train"


def _header(model: Model) -> str:
    licences = {SmallModel: "license: apache-2.0\n", PretrainedModel: "license: creativeml-openrail-m\n"}
    return licences.get(type(model), "") + "library_name: diffusers"  # a distilled model's licence is its teacher's


def _origin(model: Model) -> str:
    if isinstance(model, SmallModel):
        start = f"trained on from `{model.weights}`" if model.weights else "trained from scratch"
        return f"An InstructPix2Pix model in diffusers' layout with a linear\npatch autoencoder, {start}"
    if isinstance(model, DistilledModel):
        return f"Distilled from `{model.weights}` into {model.steps} sampling steps\nwithout guidance"
    how = "with low-rank adapters, merged into the UNet" if model.lora else "the whole UNet"
    kind = model.diffusion.prediction_type
    return f"InstructPix2Pix, trained on from `{model.weights}` ({how}; prediction type\n{kind})"
