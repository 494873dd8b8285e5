"""The small model's parts: a text encoder, a UNet and a scheduler."""

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.trainer.conditions import Conditions
from training.trainer.model_sizes import TextEncoderSize, UNetSize


def build_text_encoder(tokenizer: CLIPTokenizer, size: TextEncoderSize) -> CLIPTextModel:
    """A CLIP text encoder with random weights for this tokenizer.

    Tokens begin as far apart as the final norm's unit scale, not by CLIP's 0.02: at this model's learning rates the
    parameters that all texts share outgrow such small differences within some hundred steps. All texts are then one,
    and a UNet that learns meanwhile to do without them never finds them again.
    """
    encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=size.hidden,
            intermediate_size=4 * size.hidden,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            max_position_embeddings=size.max_length,
            projection_dim=size.hidden,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    torch.nn.init.normal_(encoder.embeddings.token_embedding.weight, std=1.0)
    torch.nn.init.normal_(encoder.embeddings.position_embedding.weight, std=0.3)
    return encoder


def build_unet(
    size: UNetSize,
    latent_channels: int,
    latent_size: tuple[int, int],
    hidden: int,
    conditions: Conditions = Conditions(),  # noqa: B008  (frozen)
) -> UNet2DConditionModel:
    """A UNet with random weights whose first prediction is zero.

    Args:
        latent_channels: channels of one frame's latents; the UNet takes twice as many, noisy ones first, and then the
            past's if it takes one.
        latent_size: (height, width) of the latents.
        hidden: width of the text encoder.
        conditions: what else the model takes.
    """
    down = ["CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in size.attention]
    up = ["CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(size.attention)]
    unet = UNet2DConditionModel(
        sample_size=tuple(latent_size),
        in_channels=conditions.input_channels(latent_channels),
        class_embed_type="timestep" if conditions.horizons else None,
        out_channels=latent_channels,
        block_out_channels=tuple(size.channels),
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        mid_block_type="UNetMidBlock2DCrossAttn" if size.attention[-1] else "UNetMidBlock2D",
        layers_per_block=size.layers,
        # diffusers reads this as the number of heads: its comment at UNet2DConditionModel.__init__ says why.
        attention_head_dim=tuple(channels // size.head_channels for channels in size.channels),
        cross_attention_dim=hidden,
        addition_embed_type="text" if size.pooled_words else None,
        addition_embed_type_num_heads=hidden // size.head_channels,
        norm_num_groups=size.norm_groups,
        resnet_time_scale_shift="scale_shift" if size.scale_shift else "default",
        use_linear_projection=True,
    )
    unet.conv_out.weight.data.zero_()
    unet.conv_out.bias.data.zero_()
    return unet


def build_scheduler() -> DDIMScheduler:
    """Zero terminal SNR with v-prediction, so that one step from pure noise gives the conditional mean.

    Source: Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed", arXiv 2305.08891. At the last
    timestep v is minus the clean sample (equation 10 with alpha_bar = 0).
    """
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        rescale_betas_zero_snr=True,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,  # the last step ends at the clean sample, without the last training timestep's noise
    )
