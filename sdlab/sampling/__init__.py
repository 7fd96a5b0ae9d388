"""Experiments, the engine that runs them, and the runs they leave."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
