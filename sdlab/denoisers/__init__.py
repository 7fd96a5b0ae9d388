"""Denoisers: what answers a solver's queries. A network, or an exact analytic one."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
