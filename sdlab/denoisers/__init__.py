"""Denoisers, which answer a solver's queries: the network, or an exact one in closed form."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
