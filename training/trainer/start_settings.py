"""What a recipe leaves to the small checkpoint that it starts from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from framepred_ros.prediction.checkpoint import FILE_NAME, read_checkpoint_info
from training.trainer.models import SmallModel
from training.trainer.weights import WeightsError, find_weights

_SECTIONS = ("tokenizer_merges", "difference_channels", "autoencoder", "text_encoder", "unet", "conditions", "loss")


def with_start_settings(values: Any) -> Any:
    """The values of a recipe file, and for what a small model's sections lack those of its start.

    Sections of the model, resolution and compositing are taken whole from the checkpoint that `model.weights` names;
    one that the recipe begins, it must spell out where it is to differ from the defaults.

    Raises WeightsError if there is no such checkpoint. Values that are no recipe of a small model with a start are
    given back as they are.
    """
    model = values.get("model") if isinstance(values, dict) else None
    if not isinstance(model, dict) or model.get("kind") != "small" or not isinstance(model.get("weights"), str):
        return values
    folder = find_weights(model["weights"])
    if not (folder / FILE_NAME).is_file():
        return values
    try:
        info = read_checkpoint_info(folder)
    except ValueError as error:
        raise WeightsError(f"model.weights: {error}") from error
    recorded = info.recipe.get("model", {})
    defaults = asdict(SmallModel())
    of_start = {name: _known(recorded[name], defaults[name]) for name in _SECTIONS if name in recorded}
    of_run = {"resolution": list(info.resolution), "compositing": info.compositing and asdict(info.compositing)}
    return {**of_run, **values, "model": {**(of_start if recorded.get("kind") == "small" else {}), **model}}


def _known(recorded: Any, default: Any) -> Any:
    """A recorded section without what this version does not know."""
    if not isinstance(recorded, dict) or not isinstance(default, dict):
        return recorded
    return {name: value for name, value in recorded.items() if name in default}
