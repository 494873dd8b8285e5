"""Training from published weights: Stable Diffusion and InstructPix2Pix, the UNet or adapters in it."""
