"""Sweeps carried out: what is missing is made, what failed is kept, and all of it is one table."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
