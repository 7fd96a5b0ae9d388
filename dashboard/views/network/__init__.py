"""The page Inside the network: map, blocks at a run, time, activations, VAE, switches."""
