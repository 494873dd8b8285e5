"""The loss of one training step of InstructPix2Pix from pixels, to compare with.

Written anew from the mathematics of diffusers' examples/instruct_pix2pix/train_instruct_pix2pix.py (arXiv 2211.09800,
section 3.2), with the random numbers as arguments: every frame and sentence is encoded in every step.
"""

import torch


def reference_loss(parts, scheduler, now, future, prompts, noise, dropout_probability) -> torch.Tensor:
    """Mean squared error of the UNet's prediction.

    Args:
        parts: `vae`, `text_encoder`, `tokenizer` and `unet`.
        now, future: pixels (N, 3, H, W) in [-1, 1].
        noise: `timesteps`, `noise`, `posterior` and `dropout`.
        dropout_probability: None is no dropout at all.
    """
    posterior = parts.vae.encode(future).latent_dist
    clean = (posterior.mean + posterior.std * noise.posterior) * parts.vae.config.scaling_factor
    alpha = scheduler.alphas_cumprod.to(clean.device)[noise.timesteps][:, None, None, None]
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise.noise
    condition = parts.vae.encode(now).latent_dist.mode()
    text = encode(parts, prompts)
    if dropout_probability is not None:
        share = noise.dropout
        blank = share < 2 * dropout_probability
        text = torch.where(blank[:, None, None], encode(parts, [""]), text)
        seen = (share < dropout_probability) | (share >= 3 * dropout_probability)
        condition = condition * seen[:, None, None, None]
    predicted = parts.unet(torch.cat([noisy, condition], dim=1), noise.timesteps, text).sample
    if scheduler.config.prediction_type == "epsilon":
        target = noise.noise
    else:
        target = alpha.sqrt() * noise.noise - (1 - alpha).sqrt() * clean
    return torch.nn.functional.mse_loss(predicted.float(), target.float())


def encode(parts, prompts) -> torch.Tensor:
    """Embeddings (N, L, D)."""
    length = parts.tokenizer.model_max_length
    tokens = parts.tokenizer(prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return parts.text_encoder(tokens.input_ids.to(parts.text_encoder.device))[0]
