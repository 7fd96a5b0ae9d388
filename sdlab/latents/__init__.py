"""Latents: what they hold, and how to look at them quickly."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
