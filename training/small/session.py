"""A whole training run: data, autoencoder, model, training, checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from framepred_ros.patch_autoencoder import PatchAutoencoder
from training.dataset_index import DatasetManifest, Row, load_manifest, load_split
from training.evaluation.pair_data import draw_evenly
from training.small.autoencoder import fit_patch_autoencoder
from training.small.export import CheckpointWriter, format_summary
from training.small.latent_cache import cache_latents
from training.small.model import build_scheduler, build_text_encoder, build_unet
from training.small.pair_table import hold_out_episodes, make_pair_table
from training.small.recipe import Recipe, write_recipe
from training.small.state import FILE_NAME as STATE_FILE
from training.small.tokenizer import train_tokenizer
from training.small.trainer import DenoisingModel, Trainer, TrainingData

logger = logging.getLogger(__name__)


def run(recipe: Recipe, dataset: Path, output: Path, resume: bool, device: str = "auto") -> None:
    """Trains from a dataset folder to `output/checkpoint`.

    Args:
        resume: continue from the state in `output`; without one, start from scratch.
        device: "auto" is accelerate's choice, "cpu" forces the CPU.

    Raises:
        FileExistsError: `output` holds a run's state and `resume` is false.
        DatasetError, ValueError: the dataset or the recipe cannot be used; the message says why.
    """
    if not resume and (output / STATE_FILE).is_file():
        raise FileExistsError(f"{output} holds an unfinished or finished run; use --resume auto, or another --output")
    if recipe.run.cpu_threads is not None:
        torch.set_num_threads(recipe.run.cpu_threads)
    accelerator = Accelerator(mixed_precision=recipe.run.mixed_precision, cpu=device == "cpu")
    manifest = load_manifest(dataset)
    train_rows, held_out = hold_out_episodes(load_split(dataset, "train"), recipe.validation.episodes_per_task)
    table = make_pair_table(train_rows, manifest)
    output.mkdir(parents=True, exist_ok=True)
    if accelerator.is_main_process:
        write_recipe(output / "recipe.yaml", recipe)
    with accelerator.main_process_first():  # the others read what it wrote
        vae = _autoencoder(recipe, train_rows, output)
        latents = cache_latents(output / "cache", table.frames, vae, recipe.resolution)
    tokenizer = train_tokenizer(table.instructions, recipe.tokenizer_merges, recipe.text_encoder.max_length)
    set_seed(recipe.seed)
    model = _build_model(recipe, tokenizer)
    scheduler = build_scheduler()
    writer = _checkpoint_writer(recipe, manifest, output, vae, tokenizer, scheduler, held_out, accelerator)
    trainer = Trainer(
        recipe,
        accelerator,
        model,
        vae,
        scheduler,
        TrainingData(table, latents, _tokenize(tokenizer, table.instructions)),
        output,
        validate=lambda step: tqdm.write(f"step {step}\n{format_summary(writer.write(model, trainer.ema, step))}"),
    )
    if resume and trainer.resume():
        logger.info("continuing after step %d", trainer.step)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    logger.info("%d pairs, %d frames, %.1f M parameters", len(table), len(table.frames), parameters / 1e6)
    trainer.train()
    accelerator.end_training()


def _autoencoder(recipe: Recipe, rows: Sequence[Row], output: Path) -> PatchAutoencoder:
    """The fitted autoencoder, kept in `output/autoencoder` so that a resumed run has exactly the same one."""
    options, folder = recipe.autoencoder, output / "autoencoder"
    vae = PatchAutoencoder(patch_size=options.patch_size, latent_channels=options.components)
    path = folder / "weights.safetensors"
    if not path.is_file():
        chosen = [rows[index] for index in np.linspace(0, len(rows) - 1, min(options.pairs, len(rows))).astype(int)]
        pairs = [(row.input_image, row.edited_image) for row in chosen]
        with tqdm(total=len(pairs), desc="fitting the autoencoder", unit="pair") as bar:
            vae = fit_patch_autoencoder(
                pairs, recipe.resolution, options.patch_size, options.components, options.still_weight, bar.update
            )
        folder.mkdir(exist_ok=True)
        # Rounded to what the checkpoint stores: the latents trained on are then those of the shipped autoencoder.
        rounded = {name: tensor.half().float() for name, tensor in vae.state_dict().items()}
        temporary = path.with_suffix(".tmp")
        save_file(rounded, temporary)
        temporary.replace(path)
    vae.load_state_dict(load_file(path))
    return vae.eval()


def _build_model(recipe: Recipe, tokenizer) -> DenoisingModel:
    height, width = (side // recipe.autoencoder.patch_size for side in recipe.resolution)
    text_encoder = build_text_encoder(tokenizer, recipe.text_encoder)
    unet = build_unet(recipe.unet, recipe.autoencoder.components, (height, width), recipe.text_encoder.hidden)
    return DenoisingModel(unet, text_encoder)


def _tokenize(tokenizer, instructions: Sequence[str]) -> torch.Tensor:
    encoded = tokenizer(
        list(instructions),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    return encoded.input_ids


def _checkpoint_writer(
    recipe: Recipe,
    manifest: DatasetManifest,
    output: Path,
    vae: PatchAutoencoder,
    tokenizer,
    scheduler,
    held_out: Sequence[Row],
    accelerator: Accelerator,
) -> CheckpointWriter:
    rows = draw_evenly(held_out, recipe.validation.pairs_per_task)
    return CheckpointWriter(recipe, manifest, output, vae, tokenizer, scheduler, rows, device=str(accelerator.device))
