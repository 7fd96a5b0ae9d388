"""Latents: what they hold, and how to look at them quickly."""
