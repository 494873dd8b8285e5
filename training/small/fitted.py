"""The autoencoder of a run: fitted once, kept in its output folder, used again for the same pairs only."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from framepred_ros.files import replacing
from framepred_ros.patch_autoencoder import PatchAutoencoder
from training.small.autoencoder import fit_patch_autoencoder
from training.trainer.pair_table import PairTable
from training.trainer.recipe import Recipe
from training.trainer.state import saved_states

FOLDER_NAME, FILE_NAME = "autoencoder", "weights.safetensors"
_KEY = "fitted_on"


def fitted_autoencoder(recipe: Recipe, table: PairTable, output: Path) -> PatchAutoencoder:
    """The autoencoder fitted on the table's pairs, from the run's folder if it is there: a resumed run has the same.

    An autoencoder that was fitted on other pairs, or with other options, is replaced, unless the run has saved states:
    those were trained on its latents.
    """
    options, path = recipe.model.autoencoder, output / FOLDER_NAME / FILE_NAME
    chosen = np.linspace(0, len(table) - 1, min(options.pairs, len(table))).astype(int)
    pairs = [(table.frames[table.current[pair]], table.frames[table.future[pair]]) for pair in chosen]
    key = _key(recipe, table, pairs)
    if not path.is_file() or (_read_key(path) != key and not saved_states(output)):
        _fit(recipe, pairs, path, key)
    vae = PatchAutoencoder(patch_size=options.patch_size, latent_channels=options.components)
    vae.load_state_dict(load_file(path))
    return vae.eval()


def _fit(recipe: Recipe, pairs: list[tuple[Path, Path]], path: Path, key: str) -> None:
    options = recipe.model.autoencoder
    with tqdm(total=len(pairs), desc="fitting the autoencoder", unit="pair") as bar:
        vae = fit_patch_autoencoder(
            pairs, recipe.resolution, options.patch_size, options.components, options.still_weight, bar.update
        )
    path.parent.mkdir(exist_ok=True)
    # Rounded to what the checkpoint stores: the latents trained on are then those of the shipped autoencoder.
    rounded = {name: tensor.half().float() for name, tensor in vae.state_dict().items()}
    with replacing(path) as temporary:
        save_file(rounded, temporary, {_KEY: key})


def _key(recipe: Recipe, table: PairTable, pairs: list[tuple[Path, Path]]) -> str:
    """A hash of everything that the fit depends on. Frames are identified by their names within the dataset."""
    names = [["/".join(frame.parts[-3:]) for frame in pair] for pair in pairs]
    text = json.dumps([table.dataset, list(recipe.resolution), asdict(recipe.model.autoencoder), names])
    return hashlib.sha256(text.encode()).hexdigest()


def _read_key(path: Path) -> str | None:
    """What the autoencoder in a file was fitted on; None where it does not say, or cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get(_KEY)
    except (SafetensorError, OSError):
        return None
