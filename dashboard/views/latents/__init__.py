"""The Latents page: what latents hold, the way of a run, the VAE, experiments, walks."""
