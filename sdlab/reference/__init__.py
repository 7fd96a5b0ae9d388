"""Stable Diffusion in plain PyTorch, from the papers: to be read."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
