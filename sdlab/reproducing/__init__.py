"""Runs made again: by a script of diffusers alone, by the same experiment, on another machine."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
