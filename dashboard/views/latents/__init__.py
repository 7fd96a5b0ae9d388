"""The Latents page: what latents hold, the steps of a run, the VAE, experiments, walks."""
