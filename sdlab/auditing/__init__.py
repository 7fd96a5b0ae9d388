"""The audit of a sampler: what it is worth, measured on data whose truth is known."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
