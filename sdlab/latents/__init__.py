"""Latents: pictures to latents and back, statistics, edits, files, films."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
