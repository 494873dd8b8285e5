"""Training of the small checkpoint from scratch: tokenizer, linear autoencoder, text encoder and UNet."""
