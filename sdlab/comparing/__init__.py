"""Comparisons of samplers: at equal cost, from the same noise, against a converged reference."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
