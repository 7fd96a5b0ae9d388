"""Solvers: generator functions that ask for predictions; see ``registry``."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
