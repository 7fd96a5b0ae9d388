"""Prompts: their tokens, and what the text encoder computes from them."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
