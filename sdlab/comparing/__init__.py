"""Samplers side by side: at equal cost, on the same noise, against a converged reference."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
