"""Specifications: experiments and what they record, frozen, hashable and JSON."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
