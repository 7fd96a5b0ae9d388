"""What is to be done, before anything is done: experiments and records, frozen, hashable, JSON."""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
