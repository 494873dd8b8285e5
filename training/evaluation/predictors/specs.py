"""Predictors as a study file or a command names them, and how each is made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from training.dataset.index import DatasetManifest, load_split
from training.evaluation.predictors.autoencoder_ceiling import AutoencoderCeiling
from training.evaluation.predictors.base import Predictor
from training.evaluation.predictors.by_task import ByTask
from training.evaluation.predictors.checkpoint import CheckpointPredictor, load_model, untrain
from training.evaluation.predictors.copying import Copying
from training.evaluation.predictors.linear_motion import LinearMotion
from training.evaluation.predictors.pictures_folder import PicturesFolder
from training.evaluation.predictors.retrieval import Retrieval

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class CopyingSpec:
    """The current frame."""

    kind: Literal["copying"] = "copying"

    def make(self, dataset: Path, manifest: DatasetManifest, device: str) -> Predictor:
        return Copying()


@dataclass(frozen=True, config=STRICT)
class CheckpointSpec:
    """A checkpoint folder, a hub id, or "shipped"; options as in `load_model` and `CheckpointPredictor`."""

    checkpoint: str
    kind: Literal["checkpoint"] = "checkpoint"
    steps: PositiveInt | None = None
    seed: int = 0
    prompts: str | None = None
    samples: PositiveInt = 1
    history: bool = False
    guidance_scale: float | None = None
    image_guidance_scale: float | None = None

    def make(self, dataset: Path, manifest: DatasetManifest, device: str) -> Predictor:
        model = load_model(self.checkpoint, device, self.guidance_scale, self.image_guidance_scale)
        return CheckpointPredictor(model, self.steps, self.seed, self.prompts, self.samples, self.history)


@dataclass(frozen=True, config=STRICT)
class UntrainedSpec:
    """A checkpoint's architecture with a freshly initialised UNet."""

    checkpoint: str
    kind: Literal["untrained"] = "untrained"
    seed: int = 0

    def make(self, dataset: Path, manifest: DatasetManifest, device: str) -> Predictor:
        return CheckpointPredictor(untrain(load_model(self.checkpoint, device), self.seed))


@dataclass(frozen=True, config=STRICT)
class AutoencoderCeilingSpec:
    """The round trip of the truth through a checkpoint's autoencoder."""

    checkpoint: str
    kind: Literal["autoencoder_ceiling"] = "autoencoder_ceiling"

    def make(self, dataset: Path, manifest: DatasetManifest, device: str) -> Predictor:
        return AutoencoderCeiling(load_model(self.checkpoint, device))


@dataclass(frozen=True, config=STRICT)
class LinearMotionSpec:
    """Optical flow over the last `lookback` steps, extrapolated."""

    kind: Literal["linear_motion"] = "linear_motion"
    lookback: PositiveInt = 5

    def make(self, dataset: Path, manifest: DatasetManifest, device: str) -> Predictor:
        return LinearMotion(manifest.horizon, self.lookback)


@dataclass(frozen=True, config=STRICT)
class RetrievalSpec:
    """The future of the nearest among every `every`-th training pair; with `text_weight` 0 the words do not count."""

    kind: Literal["retrieval"] = "retrieval"
    every: PositiveInt = 20
    text_weight: NonNegativeFloat = 0.1

    def make(self, dataset: Path, manifest: DatasetManifest, device: str) -> Predictor:
        return Retrieval(load_split(dataset, "train"), self.every, self.text_weight)


@dataclass(frozen=True, config=STRICT)
class PicturesSpec:
    """A folder of pictures made elsewhere."""

    folder: Path
    kind: Literal["pictures"] = "pictures"

    def make(self, dataset: Path, manifest: DatasetManifest, device: str) -> Predictor:
        return PicturesFolder(self.folder)


@dataclass(frozen=True, config=STRICT)
class ImageApiSpec:
    """An image-editing web API of OpenAI's kind; `price` in US dollars an image, for the estimate only."""

    model: str
    price: PositiveFloat
    kind: Literal["image_api"] = "image_api"
    prompts: str | None = "paper"
    size: str = "1024x1024"
    cache: Path = Path("image_api_cache")

    def make(self, dataset: Path, manifest: DatasetManifest, device: str) -> Predictor:
        from training.evaluation.predictors.image_api import ImageApi

        return ImageApi(self.model, self.price, self.prompts, self.size, self.cache)


@dataclass(frozen=True, config=STRICT)
class ByTaskSpec:
    """A checkpoint for each task, by the task's name."""

    checkpoints: dict[str, str]
    kind: Literal["by_task"] = "by_task"

    def make(self, dataset: Path, manifest: DatasetManifest, device: str) -> Predictor:
        specs = {task: CheckpointSpec(checkpoint) for task, checkpoint in self.checkpoints.items()}
        return ByTask({task: spec.make(dataset, manifest, device) for task, spec in specs.items()})


Spec = Annotated[
    CopyingSpec
    | CheckpointSpec
    | ByTaskSpec
    | UntrainedSpec
    | AutoencoderCeilingSpec
    | LinearMotionSpec
    | RetrievalSpec
    | PicturesSpec
    | ImageApiSpec,
    Field(discriminator="kind"),
]
