"""A linear patch autoencoder with AutoencoderKL's interface: milliseconds on a CPU, fitted in seconds by PCA.

diffusers resolves this class from a checkpoint's `model_index.json` only when this module was imported before, so
`import framepred_ros.patch_autoencoder` comes before `StableDiffusionInstructPix2PixPipeline.from_pretrained`.
"""

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import (
    DecoderOutput,
    DiagonalGaussianDistribution,
)
from diffusers.models.modeling_outputs import AutoencoderKLOutput


class PatchAutoencoder(ModelMixin, ConfigMixin):
    """Projects each patch of an image on orthonormal components and divides by their standard deviation.

    Encoding subtracts the mean colour, cuts the image into patches of patch_size x patch_size x 3 values, projects
    each on `latent_channels` orthonormal components and divides by each component's standard deviation, so that a
    latent channel has about unit variance (hence `scaling_factor` 1.0). Decoding is the transpose. A squared error in
    latents weighted by the squared standard deviations is therefore the squared error in pixels.

    The interface is that of `diffusers.AutoencoderKL`, so the stock pipelines run with it. A new instance holds no
    useful weights: `training.small.autoencoder.fit_patch_autoencoder` sets them, `from_pretrained` loads them.

    Args:
        patch_size: side of a patch in pixels, a power of two (pipelines derive their scale factor as a power of two).
        latent_channels: number of components, at most 3 * patch_size ** 2.
        scaling_factor: read by pipelines; latents are already normalised.
        block_out_channels: written by this class; its length tells pipelines the scale factor.
    """

    @register_to_config
    def __init__(
        self,
        patch_size: int = 16,
        latent_channels: int = 96,
        in_channels: int = 3,
        scaling_factor: float = 1.0,
        block_out_channels: tuple[int, ...] | None = None,
    ):
        super().__init__()
        if patch_size < 2 or patch_size & (patch_size - 1):
            raise ValueError(f"patch_size must be a power of two of at least 2, not {patch_size}")
        values = in_channels * patch_size**2
        if not 1 <= latent_channels <= values:
            raise ValueError(f"latent_channels must be between 1 and {values} for patch_size {patch_size}")
        # Stable Diffusion pipelines compute their scale factor as 2 ** (len(block_out_channels) - 1).
        self.register_to_config(block_out_channels=(latent_channels,) * patch_size.bit_length())
        components = torch.eye(latent_channels, values).reshape(latent_channels, in_channels, patch_size, patch_size)
        self.components = torch.nn.Parameter(components, requires_grad=False)
        self.mean = torch.nn.Parameter(torch.zeros(in_channels), requires_grad=False)
        self.std = torch.nn.Parameter(torch.ones(latent_channels), requires_grad=False)

    def encode(self, x: torch.Tensor, return_dict: bool = True):
        """Encodes images.

        Args:
            x: (N, 3, H, W) in [-1, 1]; H and W are multiples of `patch_size`.

        Returns:
            AutoencoderKLOutput whose `latent_dist` has the latents (N, latent_channels, H / patch_size,
            W / patch_size) as its mode and zero variance, or the 1-tuple of it.

        Raises:
            ValueError: if H or W is not a multiple of `patch_size`.
        """
        patch = self.config.patch_size
        if x.shape[-2] % patch or x.shape[-1] % patch:
            raise ValueError(f"image height and width must be multiples of {patch}, not {tuple(x.shape[-2:])}")
        latents = F.conv2d(x - self.mean[:, None, None], self.components, stride=patch) / self.std[:, None, None]
        distribution = DiagonalGaussianDistribution(
            torch.cat([latents, torch.zeros_like(latents)], dim=1), deterministic=True
        )
        return AutoencoderKLOutput(latent_dist=distribution) if return_dict else (distribution,)

    def decode(self, z: torch.Tensor, return_dict: bool = True, generator: torch.Generator | None = None):
        """Decodes latents (N, latent_channels, h, w) to images (N, 3, h * patch_size, w * patch_size).

        Values may leave [-1, 1] slightly; clamp where it matters. `generator` is unused, pipelines pass it.

        Returns:
            DecoderOutput with the images as `sample`, or the 1-tuple of them.
        """
        patch, (count, _, rows, columns) = self.config.patch_size, z.shape
        # A transposed convolution whose patches do not overlap is one matrix product, which is several times faster.
        patches = (z * self.std[:, None, None]).permute(0, 2, 3, 1) @ self.components.flatten(1)
        pixels = patches.view(count, rows, columns, -1, patch, patch).permute(0, 3, 1, 4, 2, 5)
        images = pixels.reshape(count, -1, rows * patch, columns * patch) + self.mean[:, None, None]
        return DecoderOutput(sample=images) if return_dict else (images,)

    def forward(self, sample: torch.Tensor, return_dict: bool = True):
        """Encodes and decodes images (N, 3, H, W) in [-1, 1]."""
        return self.decode(self.encode(sample).latent_dist.mode(), return_dict=return_dict)
