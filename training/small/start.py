"""A small checkpoint as a start for training on."""

from __future__ import annotations

from pathlib import Path

import torch

from framepred_ros.patch_autoencoder import PatchAutoencoder
from framepred_ros.prediction.checkpoint import read_checkpoint_info
from training.trainer.learner import Parts
from training.trainer.models import SmallModel
from training.trainer.weights import WeightsError, open_weights
from training.trainer.widening import widened


def load_start(folder: Path, options: SmallModel) -> Parts:
    """Loads the models of a small checkpoint.

    Raises:
        WeightsError: it cannot be loaded, is no small checkpoint, or its latents are not those of the recipe.
    """
    pipeline = open_weights(folder)
    if not isinstance(pipeline.vae, PatchAutoencoder):
        raise WeightsError(f"model.weights: {folder} is no small checkpoint; recipes of kind pretrained start from it")
    config = pipeline.vae.config
    pools_words = pipeline.unet.config.addition_embed_type == "text"
    there_and_wanted = {
        "autoencoder.patch_size": (config.patch_size, options.autoencoder.patch_size),
        "autoencoder.components": (config.latent_channels, options.autoencoder.components),
        "difference_channels": (read_checkpoint_info(folder).difference_channels, options.difference_channels),
        "text_encoder.max_length": (
            pipeline.text_encoder.config.max_position_embeddings,
            options.text_encoder.max_length,
        ),
        "unet.pooled_words": (pools_words, pools_words and options.unet.pooled_words),
    }
    for name, (there, wanted) in there_and_wanted.items():
        if there != wanted:
            raise WeightsError(f"model.weights: {folder} has model.{name} {there}, the recipe {wanted}")
    return Parts(pipeline.vae.eval(), pipeline.text_encoder, pipeline.tokenizer, pipeline.unet)


@torch.no_grad()
def forget_words(unet: torch.nn.Module, start: Parts) -> None:
    """Makes a start's UNet do for all words what it did for none, in place.

    A text encoder with random weights in front of trained cross-attention is noise. Training then makes all texts
    alike, or has the attention look at the first token alone, which says nothing, and there they stay. Cross-attention
    that looks at all tokens alike and adds nothing does no harm, and what the words say is learned as from scratch.
    """
    length = start.tokenizer.model_max_length
    tokens = start.tokenizer("", padding="max_length", max_length=length, return_tensors="pt").input_ids
    embeddings = start.text_encoder(tokens)[0]
    if unet.config.addition_embed_type == "text":
        last = unet.add_embedding.norm2
        last.bias.copy_(unet.add_embedding(embeddings)[0])
        last.weight.zero_()
    nothing = embeddings.mean(dim=1)[0]
    for name, module in unet.named_modules():
        if name.endswith("attn2"):
            last = module.to_out[0]
            last.bias += last.weight @ (module.to_v.weight @ nothing)
            last.weight.zero_()
            module.to_q.weight.zero_()


def copy_weights(start: Parts, text_encoder: torch.nn.Module | None, unet: torch.nn.Module) -> None:
    """Copies the weights of a checkpoint into models of the recipe's sizes. Raises WeightsError if those differ.

    Only what the UNet takes may be more than before; see `widened`. A text encoder that is None is left out.
    """
    config = unet.config
    pooled_words_heads = config.addition_embed_type_num_heads if config.addition_embed_type == "text" else None
    wide = widened(start.unet, config.in_channels, config.class_embed_type == "timestep", pooled_words_heads)
    for name, source, target in (("text_encoder", start.text_encoder, text_encoder), ("unet", wide, unet)):
        if target is None:
            continue
        try:
            target.load_state_dict(source.state_dict())
        except RuntimeError as error:
            reason = str(error).splitlines()[1].strip()
            raise WeightsError(
                f"model.weights: the checkpoint's {name} is not of the recipe's sizes: {reason}"
            ) from error
